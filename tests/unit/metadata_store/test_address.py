from __future__ import annotations

from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from tidewheel.core.errors import ParameterError, StorageError
from tidewheel.metadata_store import Database
from tidewheel.metadata_store.address import find_driver, hide_password
from tidewheel.metadata_store.schema import SCHEMA_VERSION


def libpq(url):
    """What libpq is told for a URL."""
    return conninfo_to_dict(find_driver(url, create=False)._conninfo)


@pytest.mark.parametrize("scheme", ["postgresql", "postgresql+psycopg"])
@pytest.mark.parametrize(
    ("rest", "told"),
    [
        ("//", {}),
        ("///facts", {"dbname": "facts"}),
        ("//db/facts", {"host": "db", "dbname": "facts"}),
        ("//ada@db:5433/facts", {"user": "ada", "host": "db", "port": "5433", "dbname": "facts"}),
        ("//ada:p%40ss%2Fw%20rd@db", {"user": "ada", "password": "p@ss/w rd", "host": "db"}),
        ("//ada:sl/ash?@db/facts", {"user": "ada", "password": "sl/ash?", "host": "db", "dbname": "facts"}),
        ("//[::1]:5433/facts", {"host": "::1", "port": "5433", "dbname": "facts"}),
        (
            "//ada@/facts?host=/run/pg&options=-csearch_path%3Dteam",
            {"user": "ada", "dbname": "facts", "host": "/run/pg", "options": "-csearch_path=team"},
        ),
        ("///facts?host=a&host=b&connect_timeout=3", {"dbname": "facts", "host": "a,b", "connect_timeout": "3"}),
    ],
)
def test_a_postgresql_url_tells_libpq_its_parts(scheme, rest, told):
    assert libpq(f"{scheme}:{rest}") == told


@pytest.mark.parametrize("url", ["postgresql+psycopg://ada:se/cret@db:port/facts", "postgresql://ada:se:cret@db/f?x=1"])
def test_a_url_that_is_not_understood_is_told_without_the_password(url):
    with pytest.raises(ParameterError, match="next:") as caught:
        Database.open(url)
    assert "cret" not in str(caught.value)


def test_no_password_of_a_url_is_shown():
    assert hide_password("postgresql://ada:a/b?c@db/facts") == "postgresql://ada:***@db/facts"
    assert hide_password("postgresql://ada@db/facts?password=secret") == "postgresql://ada@db/facts?password=***"
    assert hide_password("postgresql://ada@db/facts?port=1&sslpassword=s&user=x") == (
        "postgresql://ada@db/facts?port=1&sslpassword=***&user=x"
    )


@pytest.mark.parametrize("name", ["metadata.db", "50%25 of it?.db", "ünï cødé#1.db"])
def test_the_path_of_a_sqlite_url_is_taken_as_it_is(tmp_path, name):
    Database.open(f"sqlite:///{tmp_path / name}").close()
    assert (tmp_path / name).is_file()


def test_a_relative_path_stays_the_same_file_when_the_process_moves(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    driver = find_driver("sqlite:///metadata.db", create=True)
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    driver.connect().close()
    assert Path(tmp_path / "metadata.db").exists()


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite+pysqlite://"])
def test_a_sqlite_url_without_a_path_is_a_database_in_memory(url):
    database = Database.open(url)
    assert database.schema_version == SCHEMA_VERSION
    database.close()


def test_a_sqlite_url_with_a_host_is_refused():
    with pytest.raises(ParameterError):
        Database.open("sqlite://metadata.db")


def test_a_missing_driver_is_told_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "psycopg", None)
    monkeypatch.delitem(__import__("sys").modules, "tidewheel.metadata_store.postgresql", raising=False)
    with pytest.raises(StorageError, match=r"tidewheel\[postgresql\]"):
        find_driver("postgresql://db/facts", create=False)
