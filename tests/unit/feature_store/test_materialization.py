"""The online store holds what the offline join finds, however it was filled."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_tables import GrowingTable
from tidewheel.core.errors import NotFoundError, ParameterError, SchemaMismatchError
from tidewheel.feature_store import OnlineStore, join, materialize, put_on_demand
from tidewheel.feature_store.online_schema import connect
from tidewheel.pipeline import FeatureView, OnDemandView

INSTANT = pa.timestamp("us", tz="UTC")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ROWS = st.lists(
    st.tuples(st.sampled_from(["a", "b", None]), st.integers(0, 12) | st.none(), st.integers(0, 3) | st.none()),
    max_size=14,
)


def micros(number):
    return EPOCH + timedelta(microseconds=number)


def rows_table(rows, start=0):
    columns = list(zip(*rows, strict=True)) if rows else [[], [], []]
    return pa.table(
        {
            "entity": pa.array(columns[0], pa.string()),
            "event": pa.array(columns[1], INSTANT),
            "created": pa.array(columns[2], INSTANT),
            "row": pa.array(range(start, start + len(rows)), pa.int64()),
        }
    )


def view(**changes):
    facts = {
        "table": "values",
        "keys": ["entity"],
        "event_time": "event",
        "created_time": "created",
        "ttl": timedelta(microseconds=5),
        "features": {"row": "row", "half": "row / 2", "moment": "event", "day": "event::date"},
    }
    return FeatureView("values", **{**facts, **changes}).definition


def online(path, at, names=("values",)):
    with OnlineStore(path) as store:
        return store.get_online(names, {"entity": ["a", "b", None, "c", "a"]}, at=micros(at))


@settings(max_examples=8)
@given(
    rows=ROWS,
    cut=st.integers(0, 14),
    calls=st.lists(st.tuples(st.booleans(), st.integers(0, 12) | st.none(), st.integers(0, 12)), max_size=4),
    at=st.integers(0, 20),
)
def test_after_any_order_of_calls_the_store_holds_what_the_join_finds(rows, cut, calls, at):
    with TemporaryDirectory() as folder:
        first, second = rows_table(rows[:cut]), rows_table(rows[cut:], len(rows[:cut]))
        table = GrowingTable(Path(folder))
        references = [table(first), table(second)]
        path = Path(folder, "online.db")
        for is_second, since, until in calls:
            since_time = None if since is None else micros(since)
            materialize(path, view(), references[is_second], since=since_time, until=micros(until))
        materialize(path, view(), references[1], until=micros(at))
        materialize(path, view(), references[0], until=micros(at))  # an older snapshot changes nothing
        spine = pa.table({"entity": ["a", "b", None, "c", "a"], "at": pa.array([at] * 5, INSTANT)})
        known = [row for row in rows if row[1] is not None]
        if any(until > at and row[1] > at for _, _, until in calls for row in known):
            return  # what was put for a later time hides what counted before
        joined, _ = join(spine, [view()], {"values": references[1]}, event_time="at")
        assert online(path, at) == {name: joined.column(name).to_pylist() for name in ("row", "half", "moment", "day")}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "online.db"


@pytest.fixture
def make(tmp_path):
    return GrowingTable(tmp_path)


def test_only_new_files_are_read(path, make):
    first = make(rows_table([("a", 1, 1), ("b", 2, 2)]))
    assert materialize(path, view(), first, until=micros(9)).rows == 2
    again = materialize(path, view(), first, until=micros(9))
    assert (again.rows, again.files, again.files_skipped, again.is_new) == (0, 0, 1, False)
    second = make(rows_table([("a", 3, 1)], 2))
    more = materialize(path, view(), second, until=micros(9))
    assert (more.rows, more.files, more.files_skipped) == (1, 1, 1)
    assert online(path, 6)["row"] == [2, 1, None, None, 2]


def test_a_late_row_that_is_older_does_not_win(path, make):
    materialize(path, view(), make(rows_table([("a", 5, 5)])), until=micros(9))
    materialize(path, view(), make(rows_table([("a", 3, 9), ("a", 5, 4)], 1)), until=micros(9))
    assert online(path, 9)["row"][0] == 0
    materialize(path, view(), make(rows_table([("a", 5, 6)], 3)), until=micros(9))
    assert online(path, 9)["row"][0] == 3


def test_the_edge_of_the_time_to_live_is_within(path, make):
    materialize(path, view(), make(rows_table([("a", 5, 5)])), until=micros(9))
    assert [online(path, at)["row"][0] for at in (4, 5, 10, 11)] == [None, 0, 0, None]


def test_events_of_the_future_count_when_they_have_come(path, make):
    reference = make(rows_table([("a", 1, 1), ("a", 8, 1)]))
    materialize(path, view(), reference, until=micros(4))
    assert online(path, 4)["row"][0] == 0
    assert materialize(path, view(), reference, until=micros(8)).files == 1
    assert online(path, 8)["row"][0] == 1
    assert materialize(path, view(), reference, until=micros(9)).files == 0


def test_what_since_left_out_comes_with_a_later_call(path, make):
    reference = make(rows_table([("a", 1, 1), ("b", 4, 1)]))
    materialize(path, view(ttl=None), reference, since=micros(3), until=micros(9))
    assert online(path, 9)["row"][:2] == [None, 1]
    materialize(path, view(ttl=None), reference, until=micros(9))
    assert online(path, 9)["row"][:2] == [0, 1]


def test_a_rewritten_table_fills_another_generation(path, tmp_path):
    materialize(path, view(), GrowingTable(tmp_path / "a")(rows_table([("a", 1, 1), ("b", 2, 2)])), until=micros(9))
    rewritten = GrowingTable(tmp_path / "b")(rows_table([("b", 2, 2)], 7))
    assert materialize(path, view(), rewritten, until=micros(9)).is_new
    assert online(path, 5)["row"] == [None, 7, None, None, None]
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        assert connection.execute("select count(*) from value").fetchone() == (1,)


def test_an_open_reader_follows_a_view_that_is_declared_anew(path, make):
    reference = make(rows_table([("a", 1, 1)]))
    materialize(path, view(), reference, until=micros(9))
    with OnlineStore(path) as store:
        assert store.get_online(["values:row"], {"entity": ["a"]}, at=micros(2)) == {"row": [0]}
        changed = view(features={"row": "row + 40", "other": "'x'"})
        assert materialize(path, changed, reference, until=micros(9)).is_new
        assert store.get_online(["values:row"], {"entity": ["a"]}, at=micros(2)) == {"row": [40]}
        assert store.get_online(["values"], {"entity": ["a"]}, at=micros(2)) == {"row": [40], "other": ["x"]}


def test_two_at_once_put_every_file_once(path, make):
    for start in range(0, 40, 4):
        reference = make(rows_table([(f"{start + i}", i, i) for i in range(4)], start))
    barrier = threading.Barrier(3)
    results = []

    def run():
        barrier.wait()
        results.append(materialize(path, view(), reference, until=micros(9)))

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 3
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        assert connection.execute("select count(*), count(distinct key) from value").fetchone() == (40, 40)
        assert connection.execute("select count(*) from generation").fetchone() == (1,)


def test_on_demand_features_come_from_the_same_expression(path, make):
    reference = make(rows_table([("a", 1, 1), ("b", 2, 2)], 3))
    ratio = OnDemandView("ratio", inputs={"x": "double"}, features={"r": "x / (row + 0.1) - half * 0.3"}).definition
    materialize(path, view(), reference, until=micros(9))
    with closing(connect(path)) as connection:
        put_on_demand(connection, [ratio])
    spine = pa.table({"entity": ["a", "b", "c"], "x": [0.1, 7.7, 1.0], "at": pa.array([3, 3, 3], INSTANT)})
    joined, _ = join(spine, [view(), ratio], {"values": reference}, event_time="at")
    with OnlineStore(path) as store:
        entities, request = {"entity": ["a", "b", "c"]}, {"x": [0.1, 7.7, 1.0]}
        found = store.get_online(["values:row", "ratio"], entities, request=request, at=micros(3))
        assert found == {"row": joined.column("row").to_pylist(), "r": joined.column("r").to_pylist()}
        singles = [
            store.get_online(["values", "ratio:r"], {"entity": [e]}, request={"x": [x]}, at=micros(3))["r"][0]
            for e, x in zip("abc", request["x"], strict=True)
        ]
        assert singles == found["r"]
        with pytest.raises(SchemaMismatchError, match="input 'x' is missing"):
            store.get_online(["values", "ratio"], entities, at=micros(3))


def test_wrong_lookups_are_told(path, make):
    materialize(path, view(), make(rows_table([("a", 1, 1)])), until=micros(9))
    with OnlineStore(path) as store:
        for names, entities, error, told in (
            (["valeus"], {"entity": ["a"]}, NotFoundError, "did you mean 'values'"),
            (["values:raw"], {"entity": ["a"]}, NotFoundError, "did you mean 'row'"),
            (["values"], {"entity": [7]}, ParameterError, "'entity' takes text, but row 0 has 7"),
            (["values"], {"entity": ["a", 1.5]}, ParameterError, "row 1 has 1.5"),
            (["values"], {"entty": ["a"]}, ParameterError, "'entity' is missing"),
            (["values"], {}, ParameterError, "'entity' is missing"),
            (["values"], {"entity": "abc"}, ParameterError, "'entity' is one text, no list of values"),
            (["values"], {"entity": ["a"], "x": [1, 2]}, ParameterError, "different numbers"),
            ([], {"entity": ["a"]}, ParameterError, "no feature is asked for"),
        ):
            with pytest.raises(error, match=told):
                store.get_online(names, entities)
        assert store.get_online(["values"], {"entity": []}) == {"row": [], "half": [], "moment": [], "day": []}


def test_many_entities_are_found_in_one_call(path, make):
    rows = [(f"e{number}", number % 7, 1) for number in range(1700)]
    materialize(path, view(ttl=None), make(rows_table(rows)), until=micros(9))
    with OnlineStore(path) as store:
        asked = [f"e{number}" for number in range(1699, -1, -1)]
        assert store.get_online(["values:row"], {"entity": asked}, at=micros(9))["row"] == list(range(1699, -1, -1))


def test_every_kind_of_value_comes_back_as_the_join_gives_it(path, make):
    table = pa.table(
        {
            "entity": pa.array([1, 2], pa.int32()),
            "event": pa.array([1, 1], INSTANT),
            "text": ["ä", None],
            "flag": [True, None],
            "bytes": pa.array([b"\0x", None]),
            "small": pa.array([0.1, None], pa.float32()),
            "nan": [float("inf"), None],
            "money": pa.array(["1.10", None]).cast(pa.decimal128(9, 2)),
            "local": pa.array([5, None], pa.timestamp("us")),
            "day": pa.array([-3, None], pa.date32()),
        }
    )
    names = table.column_names[2:]
    definition = view(features=names, created_time=None, ttl=None)
    reference = make(table)
    materialize(path, definition, reference, until=micros(9))
    spine = pa.table({"entity": [1, 2], "at": pa.array([1, 1], INSTANT)})
    joined, _ = join(spine, [definition], {"values": reference}, event_time="at")
    with OnlineStore(path) as store:
        found = store.get_online(["values"], {"entity": [1, 2]}, at=micros(1))
    assert found == {name: joined.column(name).to_pylist() for name in names}


def test_a_list_is_refused_with_the_way_out(path, make):
    table = pa.table({"entity": ["a"], "event": pa.array([1], INSTANT), "list": [[1]]})
    definition = view(features=["list"], created_time=None)
    with pytest.raises(TypeError, match="which the online store does not hold"):
        materialize(path, definition, make(table), until=micros(9))


def test_replaying_a_file_changes_nothing(path, make):
    reference = make(rows_table([("a", 1, 1), ("a", 1, 1), ("b", 2, None)]))
    materialize(path, view(), reference, until=micros(9))
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        before = connection.execute("select * from value order by key").fetchall()
        connection.execute("delete from applied")
    assert materialize(path, view(), reference, until=micros(9)).files == 1
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        assert connection.execute("select * from value order by key").fetchall() == before


def test_a_store_of_a_newer_version_is_refused(path):
    connect(path).close()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("pragma user_version = 9")
    with pytest.raises(RuntimeError, match="version 9"):
        OnlineStore(path)


def test_references_survive_json(make):
    reference = make(rows_table([("a", 1, 1)]))
    assert msgspec.json.decode(reference.to_json(), type=type(reference)) == reference
