"""Joins and the online store on real tables whose columns changed: no plain Parquet reader would see the right rows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from tidewheel.core.errors import SchemaMismatchError
from tidewheel.feature_store import OnlineStore, join, materialize
from tidewheel.pipeline import FeatureView
from tidewheel.table_store import PyIcebergTableStore

INSTANT = pa.timestamp("us", tz="UTC")
START = datetime(2026, 1, 1, tzinfo=UTC)
SPINE = pa.table({"plane": ["a", "b", "c"], "at": pa.array([START + timedelta(hours=5)] * 3, INSTANT)})


def rows(planes, hours, **columns):
    times = pa.array([START + timedelta(hours=hour) for hour in hours], INSTANT)
    return pa.table({"plane": planes, "seen_at": times, **columns})


def view(*names):
    return FeatureView("planes", "planes", ["plane"], "seen_at", None, list(names)).definition


@pytest.fixture
def store(tmp_path):
    return PyIcebergTableStore.open(tmp_path / "tables")


def online(path, names):
    with OnlineStore(path) as opened:
        return opened.get_online(names, {"plane": ["a", "b", "c"]}, at=START + timedelta(hours=5))


def test_a_column_that_came_later_is_null_before(store, tmp_path):
    path = tmp_path / "online.db"
    first = store.create("planes", rows(["a", "b"], [1, 1], seats=pa.array([10, 20], pa.int32())))
    materialize(path, view("seats"), store.reference(first))
    assert online(path, ["planes"])["seats"] == [10, 20, None]
    more = rows(["b", "c"], [2, 2], seats=pa.array([21, 30], pa.int64()), engines=[2, 4])
    store.evolve("planes", more.schema)
    reference = store.reference(store.append("planes", more))
    assert not reference.is_direct
    joined, _ = join(SPINE, [view("seats", "engines")], {"planes": reference}, event_time="at")
    assert joined.column("seats").to_pylist() == [10, 21, 30]
    assert joined.column("engines").to_pylist() == [None, 2, 4]
    assert materialize(path, view("seats", "engines"), reference).is_new
    assert online(path, ["planes"]) == {"seats": [10, 21, 30], "engines": [None, 2, 4]}
    # The snapshot from before still gives what it gave.
    again, _ = join(SPINE, [view("seats")], {"planes": store.reference(first)}, event_time="at")
    assert again.column("seats").to_pylist() == [10, 20, None]
    with pytest.raises(SchemaMismatchError, match="column 'engines' does not exist in table 'planes'"):
        join(SPINE, [view("engines")], {"planes": store.reference(first)}, event_time="at")


def test_a_view_whose_column_vanished_is_told_and_goes_on_answering_from_before(store, tmp_path):
    path = tmp_path / "online.db"
    materialize(path, view("seats"), store.reference(store.create("planes", rows(["a"], [1], seats=[10]))))
    store.drop("planes")
    reference = store.reference(store.create("planes", rows(["a"], [2], engines=[2])))
    told = "column 'seats' does not exist in table 'planes'"
    with pytest.raises(SchemaMismatchError, match=told):
        join(SPINE, [view("seats")], {"planes": reference}, event_time="at")
    with pytest.raises(SchemaMismatchError, match=told):
        materialize(path, view("seats"), reference)
    assert online(path, ["planes"]) == {"seats": [10, None, None]}


def test_of_equal_times_the_row_ingested_last_counts_over_files_and_snapshots(store, tmp_path):
    store.create("planes", rows(["a", "a"], [1, 1], seats=[1, 2]))
    assert _seats(store) == [2, None, None]
    store.append("planes", rows(["a"], [1], seats=[3]))
    assert _seats(store) == [3, None, None]
    store.overwrite("planes", rows(["a", "a", "b"], [1, 0, 1], seats=[4, 5, 6]))
    assert _seats(store) == [4, 6, None]
    path = tmp_path / "online.db"
    for snapshot in store.snapshots("planes"):
        materialize(path, view("seats"), store.reference(snapshot))
    assert online(path, ["planes"])["seats"] == [4, 6, None]
    materialize(path, view("seats"), store.reference(store.snapshots("planes")[0]))  # does not go back
    assert online(path, ["planes"])["seats"] == [4, 6, None]


def _seats(store):
    reference = store.reference(store.snapshot("planes"))
    joined, _ = join(SPINE, [view("seats")], {"planes": reference}, event_time="at")
    return joined.column("seats").to_pylist()
