"""One suite for every SQL engine: DuckDB on snapshots, and Flight SQL over the wire. See `table_store/protocol.py`."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from tidewheel.core.config import EngineConfig
from tidewheel.core.errors import NotFoundError, ParameterError, SchemaMismatchError
from tidewheel.table_store import PyIcebergTableStore
from tidewheel.table_store.adbc_flight_sql import FlightSqlEngine
from tidewheel.table_store.duckdb_snapshot_engine import DuckdbSnapshotEngine

ROWS = 200_000
SERVER = Path(__file__).parents[1] / "flight_sql_server.py"
FLIGHTS = f"select i id, i % 7 carrier, i / 3 delay, 'x' || i % 100 origin from range({ROWS}) t(i)"


@pytest.fixture(scope="module")
def server():
    command = [sys.executable, str(SERVER), "--rows", str(ROWS)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
    yield int(process.stdout.readline())
    process.kill()
    process.communicate()


@pytest.fixture(scope="module", params=["duckdb", "flight-sql"])
def engine(request, tmp_path_factory):
    if request.param == "duckdb":
        store = PyIcebergTableStore.open(tmp_path_factory.mktemp("tables"))
        snapshot = store.create("flights", duckdb.sql(FLIGHTS).to_arrow_table())
        return DuckdbSnapshotEngine({"flights": store.reference(snapshot)})
    url = f"grpc://127.0.0.1:{request.getfixturevalue('server')}"
    config = EngineConfig(url=url, user="ada", password_variable="LAKE_PASSWORD")
    environment = {"LAKE_PASSWORD": "engine-secret"}
    return FlightSqlEngine("lake", config, root=tmp_path_factory.getbasetemp(), environment=environment)


def rows(engine, query, parameters=None):
    with engine.stream(query, parameters) as reader:
        return reader.read_all().to_pylist()


class SqlEngineContract:
    def test_a_query_gives_its_rows_in_the_order_asked_for(self, engine):
        query = "select id, origin from flights where id < 4 order by id desc"
        assert rows(engine, query) == [{"id": n, "origin": f"x{n}"} for n in (3, 2, 1, 0)]

    def test_types_and_missing_values_survive(self, engine):
        query = """select 1::integer i, 2::bigint b, 1.5::double d, 'a' s, true t, date '2013-01-02' as d1,
            timestamp '2013-01-02 03:04:05' as at1, null::bigint missing"""
        with engine.stream(query) as reader:
            table = reader.read_all()
        assert [str(field.type) for field in table.schema] == [
            "int32", "int64", "double", "string", "bool", "date32[day]", "timestamp[us]", "int64",
        ]  # fmt: skip
        assert table["missing"].to_pylist() == [None]

    def test_a_result_without_rows_has_its_columns(self, engine):
        with engine.stream("select id, origin from flights where id < 0") as reader:
            assert reader.schema.names == ["id", "origin"]
            assert reader.read_all().num_rows == 0

    def test_a_large_result_comes_in_batches(self, engine):
        with engine.stream("select id from flights") as reader:
            sizes = [batch.num_rows for batch in reader]
        assert sum(sizes) == ROWS
        assert len(sizes) > 2

    def test_a_reader_may_stop_early_and_the_next_query_works(self, engine):
        for _ in range(3):
            with engine.stream("select * from flights") as reader:
                assert reader.read_next_batch().num_rows > 0
        assert rows(engine, "select count(*) n from flights") == [{"n": ROWS}]

    def test_parameters_go_by_name_and_never_into_the_text(self, engine):
        query = "select id, $tail s from flights where id < $most and origin <> $tail and '$most' <> '' order by id"
        assert rows(engine, query, {"most": 2, "tail": "' or 1=1 --"}) == [
            {"id": 0, "s": "' or 1=1 --"},
            {"id": 1, "s": "' or 1=1 --"},
        ]

    @pytest.mark.parametrize("parameters", [{}, {"other": 1}])
    def test_a_parameter_without_a_value_is_told(self, engine, parameters):
        with pytest.raises(ParameterError):
            rows(engine, "select id from flights where id = $number", parameters)

    def test_an_unknown_table_is_told_by_name(self, engine):
        with pytest.raises(NotFoundError, match="flihgts"):
            rows(engine, "select * from flihgts")

    def test_an_unknown_column_is_told_by_name(self, engine):
        with pytest.raises(SchemaMismatchError, match="delai"):
            rows(engine, "select delai from flights")

    @pytest.mark.parametrize("query", ["selec 1", "", "select * from"])
    def test_what_is_no_query_is_told(self, engine, query):
        with pytest.raises(ParameterError):
            rows(engine, query)

    def test_a_value_that_cannot_be_computed_is_an_error_and_no_short_result(self, engine):
        with pytest.raises(ParameterError, match="x99"):
            rows(engine, "select case when id = 199999 then origin::integer else 1 end n from flights")

    def test_many_threads_ask_one_engine_at_once(self, engine):
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(lambda n: rows(engine, f"select count(*) n from flights where id < {n}"), range(8)))
        assert found == [[{"n": n}] for n in range(8)]

    def test_the_name_is_that_of_the_project(self, engine):
        assert engine.name in ("duckdb", "lake")
        assert "secret" not in repr(engine)


class TestSqlEngines(SqlEngineContract):
    """Both, by the fixture."""


def test_the_stream_is_an_arrow_stream(engine):
    with engine.stream("select 1 n") as reader:
        assert isinstance(reader, pa.RecordBatchReader)
