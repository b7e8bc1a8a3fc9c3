"""Flight SQL over the wire: secrets, TLS, a server that dies, results larger than memory should be."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tidewheel.core.config import EngineConfig
from tidewheel.core.errors import ConfigError, EngineError
from tidewheel.table_store.adbc_flight_sql import FlightSqlEngine

SERVER = Path(__file__).parents[1] / "flight_sql_server.py"
PASSWORD = {"user": "ada", "password_variable": "LAKE_PASSWORD"}
ENVIRONMENT = {"LAKE_PASSWORD": "engine-secret", "LAKE_TOKEN": "token-secret", "WRONG": "wr0ng-secret"}


@pytest.fixture
def start_server():
    started = []

    def start(*arguments):
        command = [sys.executable, str(SERVER), *map(str, arguments)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
        started.append(process)
        return int(process.stdout.readline())

    yield start
    for process in started:
        process.kill()
        process.communicate()


def engine(port, *, scheme="grpc", host="127.0.0.1", root=Path(), environment=ENVIRONMENT, **settings):
    config = EngineConfig(url=f"{scheme}://{host}:{port}", **(settings or PASSWORD))
    return FlightSqlEngine("lake", config, root=root, environment=environment)


def rows(asked, query="select count(*) n from flights"):
    with asked.stream(query) as reader:
        return reader.read_all().to_pylist()


def test_a_wrong_password_or_token_is_refused_and_not_told(start_server):
    port = start_server()
    assert rows(engine(port)) == [{"n": 1000}]
    assert rows(engine(port, token_variable="LAKE_TOKEN")) == [{"n": 1000}]
    for wrong in ({"user": "ada", "password_variable": "WRONG"}, {"token_variable": "WRONG"}):
        with pytest.raises(EngineError, match="refuses") as caught:
            rows(engine(port, **wrong))
        assert "$WRONG" in str(caught.value)
        assert "wr0ng" not in str(caught.value)
        assert "YWRhOndyMG5n" not in str(caught.value)  # the server says what it was sent: user and password in base64
        assert caught.value.__cause__ is None
    with pytest.raises(EngineError, match="refuses the connection"):
        rows(engine(port, timeout_s=30.0))


def test_a_secret_that_is_not_set_is_asked_for_by_its_variable(start_server):
    with pytest.raises(ConfigError, match="LAKE_PASSWORD, which is not set"):
        rows(engine(1, environment={}))


def test_an_earlier_snapshot_and_options_of_the_session(start_server):
    asked = engine(start_server(), **PASSWORD, session={"schema": "sales"}, headers={"routing_queue": "batch"})
    assert rows(asked, "select count(*) n from flights at snapshot '1'") == [{"n": 10}]
    assert rows(asked, "select current_schema_option() s") == [{"s": "sales"}]


def test_a_server_that_dies_in_the_middle_is_an_error_and_no_short_result(start_server):
    port = start_server("--rows", 1_000_000)
    received = 0
    with pytest.raises(EngineError, match="in the middle of a result"):
        with engine(port).stream("select * from flights /* die */") as reader:
            for batch in reader:
                received += batch.num_rows
    assert received < 1_000_000
    with pytest.raises(EngineError, match="cannot be reached"):
        rows(engine(port))


@pytest.fixture
def certificate(tmp_path):
    def make(name):
        key, certificate = tmp_path / f"{name}.key", tmp_path / f"{name}.pem"
        command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
        names = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
        subprocess.run([*command, *names, "-keyout", key, "-out", certificate], check=True, capture_output=True)
        return certificate, key

    return make


def test_tls_with_a_self_made_certificate_trusts_it_only_when_told_to(start_server, certificate, tmp_path):
    own, key = certificate("own")
    other, _ = certificate("other")
    port = start_server("--tls", own, key)
    trusting = {"scheme": "grpc+tls", "host": "localhost", "root": tmp_path, **PASSWORD}
    assert rows(engine(port, **trusting, root_certificates=own.name)) == [{"n": 1000}]
    for settings in ({"root_certificates": other.name}, {}):
        with pytest.raises(EngineError, match="certificate"):
            rows(engine(port, **trusting, **settings))
    with pytest.raises(ConfigError, match="certificates of engine 'lake'"):
        rows(engine(port, **trusting, root_certificates="nothing.pem"))
    with pytest.raises(EngineError):
        rows(engine(port))  # without TLS


def test_ten_million_rows_stream_in_bounded_memory(start_server):
    asked = engine(start_server("--rows", 1_000))
    wide = "select i, i * 2 a, i / 3 b, 'text ' || i s from range({}) t(i)"
    with asked.stream(wide.format(1_000_000)) as reader:  # loads the driver and fills its buffers
        assert sum(batch.num_rows for batch in reader) == 1_000_000
    here = psutil.Process()
    before = peak = here.memory_info().rss
    count = total = 0
    with asked.stream(wide.format(10_000_000)) as reader:
        for batch in reader:
            count, total = count + batch.num_rows, total + batch.nbytes
            peak = max(peak, here.memory_info().rss)
    assert count == 10_000_000
    assert total > 350e6
    assert peak - before < 100e6


@pytest.mark.skipif(not os.environ.get("TIDEWHEEL_BENOSTREAMDB"), reason="set TIDEWHEEL_BENOSTREAMDB to its binary")
def test_a_server_that_is_not_ours_is_understood():
    command = [os.environ["TIDEWHEEL_BENOSTREAMDB"]]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
    try:
        port = next(int(found[1]) for line in server.stdout if (found := re.search(r"grpc://[\d.]+:(\d+)", line)))
        asked = engine(port, timeout_s=30.0)
        assert rows(asked, "select 1 as n union all select 2 order by 1") == [{"n": 1}, {"n": 2}]
    finally:
        server.kill()
        server.communicate()
