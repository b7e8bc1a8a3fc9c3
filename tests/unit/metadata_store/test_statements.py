from __future__ import annotations

import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidewheel.metadata_store import Database
from tidewheel.metadata_store.connection import Connection
from tidewheel.metadata_store.postgresql import spell_parameters
from tidewheel.metadata_store.statements import insert_new, listed, put, where

HOSTILE = ["'; DROP TABLE closure_miss; --", "%(x)s", ":x", "%", "\\", '"', "a::b", "{0}", "naïve ☃", ""]


@pytest.fixture(params=["memory", "postgresql"])
def database(request):
    url = "sqlite://" if request.param == "memory" else request.getfixturevalue("postgresql_url")()
    database = Database.open(url)
    yield database
    database.close()


@pytest.mark.parametrize(
    ("sql", "spelled"),
    [
        ("SELECT :a, :b_2 FROM t", "SELECT %(a)s, %(b_2)s FROM t"),
        ("x = :a::bigint", "x = %(a)s::bigint"),
        ("'12:30:00' || :a || 'it''s :b'", "'12:30:00' || %(a)s || 'it''s :b'"),
        ('SELECT "a:b" FROM t', 'SELECT "a:b" FROM t'),
        ("a % 2 = 0 AND b LIKE '50%'", "a %% 2 = 0 AND b LIKE '50%%'"),
        ("a[1:2]", "a[1:2]"),
    ],
)
def test_parameters_are_spelled_for_psycopg(sql, spelled):
    assert spell_parameters(sql) == spelled


@pytest.mark.parametrize("value", HOSTILE)
def test_values_never_become_part_of_the_text(database, value):
    with database.write() as connection:
        assert insert_new(connection, "closure_miss", {"step": value, "module": "m"}) == 1
        names, parameters = listed("step", [value, "other"])
        found = connection.scalars(f"SELECT step FROM closure_miss WHERE step IN {names}", **parameters)
        assert found == [value]
        assert connection.scalar("SELECT '%' || :v || ':x' || '50%'", v=value) == f"%{value}:x50%"


def test_only_new_rows_are_counted(database):
    rows = [{"step": "s", "module": name} for name in "aba"]
    with database.write() as connection:
        assert insert_new(connection, "closure_miss", *rows) == 2
        assert insert_new(connection, "closure_miss", *rows, {"step": "s", "module": "c"}) == 1
        assert insert_new(connection, "closure_miss", rows[0]) == 0


def test_putting_replaces_the_values_of_the_key(database):
    key = {"kind": "run", "key": "1"}
    with database.write() as connection:
        put(connection, "projection", key, {"digest": "a", "external_id": "x"})
        put(connection, "projection", key, {"digest": "b", "external_id": "y"})
        rows = connection.execute("SELECT kind, key, digest, external_id FROM projection").fetchall()
    assert rows == [("run", "1", "b", "y")]


def test_nothing_is_in_an_empty_list(database):
    names, parameters = listed("step", [])
    with database.write() as connection:
        insert_new(connection, "closure_miss", {"step": "s", "module": "m"})
        assert connection.scalars(f"SELECT step FROM closure_miss WHERE step IN {names}", **parameters) == []


def test_values_come_back_as_they_went_in(database):
    values = {"text": "naïve", "number": 2**62, "small": -1, "real": 0.1, "data": b"\x00\xff", "nothing": None}
    casts = {"text": "TEXT", "number": "BIGINT", "small": "BIGINT", "real": "FLOAT", "nothing": "TEXT"}
    columns = ", ".join(f"CAST(:{name} AS {casts[name]})" if name in casts else f":{name}" for name in values)
    with database.read() as connection:
        assert connection.first(f"SELECT {columns}", **values) == tuple(values.values())


@given(
    st.dictionaries(st.sampled_from(["a", "b", "c"]), st.one_of(st.none(), st.integers(0, 2))),
    st.lists(st.tuples(*[st.integers(0, 2)] * 3), max_size=12),
)
def test_given_filters_choose_the_rows_that_a_loop_chooses(wanted, rows):
    parameters = {"a": None, "b": None, "c": None} | wanted
    connection = Connection(sqlite3.connect(":memory:", isolation_level=None), "sqlite")
    connection.execute("CREATE TABLE t (a, b, c)")
    connection.execute_many("INSERT INTO t VALUES (:a, :b, :c)", [dict(zip("abc", row, strict=True)) for row in rows])
    sql = f"SELECT a, b, c FROM t {where(parameters, 'a = :a', 'b = :b', 'c = :c')} ORDER BY rowid"
    found = connection.execute(sql, **parameters).fetchall()
    connection.close()
    chosen = [row for row in rows if all(parameters[n] in (None, value) for n, value in zip("abc", row, strict=True))]
    assert found == chosen
