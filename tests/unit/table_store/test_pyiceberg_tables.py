"""Tables: creation, appends, overwrites, evolution, snapshots, tags, expiry; and what each refuses."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from tidewheel.core.errors import (
    ArtifactMissingError,
    ConflictError,
    NotFoundError,
    ParameterError,
    ProtectedError,
    SchemaMismatchError,
    StorageError,
)
from tidewheel.table_store import PyIcebergTableStore
from tidewheel.table_store.maintenance import MaintenancePolicy


def test_a_table_made_from_data_holds_its_rows_in_one_snapshot(store, flights):
    snapshot = store.create("flights", flights)
    assert (snapshot.row_count, snapshot.file_count) == (3, 1)
    assert store.snapshots("flights") == (snapshot,)
    assert store.read(snapshot).to_arrow().to_pylist() == flights.to_pylist()


def test_a_table_made_from_a_schema_is_empty_and_readable(store, flights):
    snapshot = store.create("flights", flights.schema)
    assert snapshot.row_count == 0
    assert store.read(snapshot).to_arrow().schema == flights.schema
    assert store.read(snapshot).sql("select count(*) n from this").to_pylist() == [{"n": 0}]


def test_a_name_is_taken_once(store, flights):
    first = store.create("flights", flights)
    with pytest.raises(ConflictError, match="exists"):
        store.create("flights", flights)
    assert store.snapshot("flights") == first


@pytest.mark.parametrize("name", ["", "a b", "../x", "a'b", "a..b", "1a"])
def test_a_name_that_a_path_or_query_could_trip_over_is_refused(store, flights, name):
    with pytest.raises(ParameterError, match="no name of a table"):
        store.create(name, flights)


def test_a_table_of_a_namespace_that_is_not_there_is_refused(store, flights):
    with pytest.raises(ParameterError, match="no namespace 'other'"):
        store.create("other.flights", flights)


def test_columns_that_differ_only_in_case_are_refused(store, flights):
    with pytest.raises(SchemaMismatchError, match="differ only in case, which SQL does not see: 'id' and 'ID'"):
        store.create("t", pa.table({"id": [1], "ID": [2]}))
    assert not store.exists("t")
    store.create("flights", flights)
    with pytest.raises(SchemaMismatchError, match="'carrier' and 'Carrier'"):
        store.evolve("flights", pa.schema({"Carrier": pa.string()}))


def test_any_name_of_a_column_can_be_read_directly_before_and_after_compaction(store):
    rows = [{'dep "x" delay': number, "é.1": str(number)} for number in range(3)]
    store.create("t", pa.Table.from_pylist(rows[:1]))
    for row in rows[1:]:
        snapshot = store.append("t", pa.Table.from_pylist([row]))
    assert store.reference(snapshot).is_direct
    assert store.read(snapshot).to_arrow().to_pylist() == rows
    assert store.read(snapshot).sql('select sum("dep ""x"" delay") n from this').to_pylist() == [{"n": 3}]
    store.maintenance.compact("t", MaintenancePolicy(min_files=2))
    compacted = store.snapshot("t")
    assert store.reference(compacted).is_direct
    assert compacted.digest == snapshot.digest
    assert store.read(compacted).to_arrow().to_pylist() == rows


def test_an_unknown_table_is_answered_with_the_nearest_name(store, flights):
    store.create("flights", flights)
    with pytest.raises(NotFoundError, match="did you mean 'flights'"):
        store.snapshot("flihgts")


def test_every_append_is_a_snapshot_and_earlier_ones_stay(store, flights):
    first = store.create("flights", flights)
    second = store.append("flights", flights)
    assert [s.row_count for s in store.snapshots("flights")] == [3, 6]
    assert store.read(store.snapshot("flights", id=first.snapshot_id)).row_count == 3
    assert store.snapshot("flights") == second


def test_rows_come_back_in_the_order_of_ingestion(store):
    store.create("t", pa.table({"n": [1, 2]}))
    for n in (3, 4, 5):
        store.append("t", pa.table({"n": [n]}))
    reader = store.read(store.snapshot("t"))
    assert reader.to_arrow()["n"].to_pylist() == [1, 2, 3, 4, 5]
    assert reader.sql("select n from this")["n"].to_pylist() == [1, 2, 3, 4, 5]


def test_appended_types_are_cast_only_without_loss(store):
    store.create("t", pa.table({"n": pa.array([1], pa.int64()), "s": ["x"]}))
    store.append("t", pa.table({"s": pa.array(["y"], pa.large_string()), "n": pa.array([2], pa.int8())}))
    with pytest.raises(SchemaMismatchError, match="column 'n' is int64, the data has double"):
        store.append("t", pa.table({"n": [1.0], "s": ["z"]}))
    assert store.read(store.snapshot("t")).to_arrow().to_pylist() == [{"n": 1, "s": "x"}, {"n": 2, "s": "y"}]


def test_absent_columns_are_nulls_and_unknown_ones_are_refused_by_name(store, flights):
    store.create("flights", flights)
    after = store.append("flights", flights.select(["carrier"]))
    assert store.read(after).to_arrow(["delay"], filter="delay is null").num_rows == 3
    with pytest.raises(SchemaMismatchError, match=r"'dealy' is unknown .did you mean 'delay'"):
        store.append("flights", pa.table({"dealy": [1]}))


def test_a_refused_append_leaves_no_file_behind(store, flights, tmp_path):
    store.create("flights", flights)
    before = sorted(tmp_path.rglob("*.parquet"))
    bad = [flights, pa.table({"carrier": [7]})]
    with pytest.raises(SchemaMismatchError):
        store.append("flights", bad)
    assert sorted(tmp_path.rglob("*.parquet")) == before


def test_a_stream_is_appended_like_a_table(store, flights):
    reader = pa.RecordBatchReader.from_batches(flights.schema, flights.to_batches(max_chunksize=1))
    streamed = store.create("streamed", flights.schema), store.append("streamed", reader)
    whole = store.create("whole", flights.schema), store.append("whole", flights)
    assert streamed[1].digest == whole[1].digest
    assert streamed[1].row_count == 3


def test_overwrite_replaces_all_rows_in_one_snapshot(store, flights):
    old = store.create("flights", flights)
    store.append("flights", flights)
    new = store.overwrite("flights", flights.slice(0, 1))
    assert (new.row_count, len(store.snapshots("flights"))) == (1, 3)
    assert store.read(new).to_arrow().to_pylist() == flights.slice(0, 1).to_pylist()
    assert store.read(old).row_count == 3


def test_evolution_adds_columns_and_widens_types(store):
    store.create("t", pa.table({"n": pa.array([1], pa.int32())}))
    evolved = store.evolve("t", pa.schema({"n": pa.int64(), "late": pa.bool_()}))
    assert store.schema("t") == pa.schema({"n": pa.int64(), "late": pa.bool_()})
    assert store.read(evolved).to_arrow().to_pylist() == [{"n": 1, "late": None}]
    after = store.append("t", pa.table({"n": [1 << 40], "late": [True]}))
    assert store.read(after).sql("select max(n) m, count(late) c from this").to_pylist() == [{"m": 1 << 40, "c": 1}]


def test_an_older_snapshot_keeps_its_schema_and_digest(store):
    first = store.create("t", pa.table({"n": [1]}))
    store.evolve("t", pa.schema({"n": pa.int64(), "m": pa.int64()}))
    again = store.snapshot("t", id=first.snapshot_id)
    assert again == first
    assert store.read(again).schema.names == ["n"]


def test_evolution_to_what_is_there_makes_no_snapshot(store, flights):
    first = store.create("flights", flights)
    assert store.evolve("flights", flights.schema.remove(0)) == first


def test_an_incompatible_evolution_names_every_column_and_changes_nothing(store, flights):
    store.create("flights", flights)
    wanted = pa.schema({"carrier": pa.int64(), "delay": pa.string(), "new": pa.int64()})
    with pytest.raises(SchemaMismatchError, match=r"(?s)'carrier' is string.*'delay' is long"):
        store.evolve("flights", wanted)
    assert store.schema("flights") == flights.schema


def test_types_that_no_table_holds_are_refused_all_at_once(store):
    with pytest.raises(SchemaMismatchError, match=r"(?s)'a' is duration.*'b' is uint64.*uint64 to int64"):
        store.create("t", pa.schema({"a": pa.duration("s"), "b": pa.uint64()}))
    assert not store.exists("t")


def test_snapshots_are_found_by_tag_and_time(store, flights):
    first = store.create("flights", flights)
    second = store.append("flights", flights)
    store.tag("flights", first.snapshot_id, "model-v1")
    assert store.snapshot("flights", tag="model-v1") == first
    assert store.snapshot("flights", as_of=second.committed_at) == second
    assert store.snapshot("flights", as_of=second.committed_at - timedelta(milliseconds=1)) == first
    with pytest.raises(NotFoundError, match="did you mean 'model-v1'"):
        store.snapshot("flights", tag="model-v2")
    with pytest.raises(NotFoundError):
        store.snapshot("flights", as_of=first.committed_at - timedelta(days=1))
    with pytest.raises(NotFoundError):
        store.snapshot("flights", id=7)
    with pytest.raises(ParameterError, match="one of"):
        store.snapshot("flights", id=7, tag="x")
    with pytest.raises(ParameterError, match="time zone"):
        store.snapshot("flights", as_of=datetime(2013, 1, 1))  # noqa: DTZ001


def test_a_tag_never_moves(store, flights):
    first = store.create("flights", flights)
    second = store.append("flights", flights)
    store.tag("flights", first.snapshot_id, "v1")
    store.tag("flights", first.snapshot_id, "v1")
    with pytest.raises(ConflictError, match=str(first.snapshot_id)):
        store.tag("flights", second.snapshot_id, "v1")
    with pytest.raises(ConflictError, match="branch 'main'"):
        store.tag("flights", first.snapshot_id, "main")
    assert store.tags("flights") == {"v1": first.snapshot_id}


def test_expiry_spares_the_current_the_tagged_and_the_kept(store, flights):
    made = [store.create("flights", flights), *(store.append("flights", flights) for _ in range(4))]
    store.tag("flights", made[0].snapshot_id, "v1")
    gone = store.expire_snapshots("flights", datetime.now(UTC) + timedelta(hours=1), keep={made[2].snapshot_id})
    assert set(gone) == {made[1].snapshot_id, made[3].snapshot_id}
    assert store.snapshots("flights") == (made[0], made[2], made[4])
    assert store.read(made[4]).to_arrow().num_rows == 15


def test_expiry_leaves_what_is_younger(store, flights):
    first = store.create("flights", flights)
    store.append("flights", flights)
    assert store.expire_snapshots("flights", first.committed_at) == ()


def test_a_tagged_table_is_not_dropped(store, flights):
    snapshot = store.create("flights", flights)
    store.tag("flights", snapshot.snapshot_id, "v1")
    with pytest.raises(ProtectedError, match="v1"):
        store.drop("flights")
    store.untag("flights", "v1")
    store.drop("flights")
    assert not store.exists("flights")
    with pytest.raises(NotFoundError):
        store.drop("flights")


def test_a_table_made_anew_is_another(store, flights):
    old = store.create("flights", flights)
    store.drop("flights")
    new = store.create("flights", flights)
    assert (new.table_uuid == old.table_uuid, new.digest == old.digest) == (False, True)
    with pytest.raises(NotFoundError, match="does not exist"):
        store.reference(old)


def test_properties_are_committed_with_the_snapshot_and_find_it(store, flights):
    store.create("flights", flights)
    marked = store.append("flights", flights, properties={"segment": "s1"})
    store.append("flights", flights)
    assert store.find_by_property("flights", "segment", "s1") == marked
    assert store.find_by_property("flights", "segment") == marked
    assert store.find_by_property("flights", "segment", "s2") is None
    assert store.properties("flights", marked.snapshot_id)["segment"] == "s1"


def test_a_property_is_found_after_its_neighbours_have_expired(store, flights):
    store.create("flights", flights)
    marked = store.append("flights", flights, properties={"segment": "s1"})
    store.append("flights", flights)
    store.append("flights", flights)
    store.expire_snapshots("flights", datetime.now(UTC) + timedelta(hours=1), keep={marked.snapshot_id})
    assert store.find_by_property("flights", "segment", "s1") == marked


def test_an_append_guarded_by_a_property_happens_once(store, flights, tmp_path):
    store.create("flights", flights)
    store.append("flights", flights, properties={"segment.1": "x"}, unless=["segment.1"])
    files = sorted(tmp_path.rglob("*.parquet"))
    with pytest.raises(ConflictError, match=r"segment\.1"):
        store.append("flights", flights, properties={"segment.1": "x"}, unless=["segment.1"])
    assert store.snapshot("flights").row_count == 6
    assert sorted(tmp_path.rglob("*.parquet")) == files


def test_a_listing_tells_sizes_without_reading_data(store, flights):
    assert store.list() == ()
    store.create("b", flights)
    store.create("a", flights.schema)
    listed = store.list()
    assert [(info.name, info.row_count, info.file_count, info.snapshot_count) for info in listed] == [
        ("a", 0, 0, 1),
        ("b", 3, 1, 1),
    ]
    assert listed[1].columns == ("carrier", "delay", "wind")


def test_a_missing_data_file_is_named(store, flights):
    snapshot = store.create("flights", flights)
    reference = store.reference(snapshot)
    (store_file,) = reference.files
    os.unlink(store_file.path)
    reader = store.read(snapshot)
    for read in (reader.to_arrow, reader.verify, lambda: reader.sql("select * from this")):
        with pytest.raises(ArtifactMissingError, match=store_file.path):
            read()


def test_a_catalog_that_is_no_database_is_a_storage_error(tmp_path):
    (tmp_path / "catalog.db").write_bytes(b"no database" * 100)
    with pytest.raises(StorageError, match="catalog"):
        PyIcebergTableStore.open(tmp_path)


def test_another_catalog_is_opened_by_its_own_properties(tmp_path, flights):
    properties = {"type": "sql", "uri": f"sqlite:///{tmp_path}/other.db", "warehouse": str(tmp_path / "elsewhere")}
    store = PyIcebergTableStore.open(tmp_path / "tables", catalog_properties=properties)
    store.create("flights", flights)
    assert [path.name for path in (tmp_path / "elsewhere").iterdir()] == ["tidewheel"]
    again = PyIcebergTableStore.open(tmp_path / "tables", catalog_properties=properties)
    assert again.snapshot("flights").row_count == 3


def test_rows_that_pyiceberg_appends_by_itself_are_seen(tmp_path, flights):
    from pyiceberg.catalog.sql import SqlCatalog

    store = PyIcebergTableStore.open(tmp_path)
    store.create("flights", flights)
    catalog = SqlCatalog("tidewheel", uri=f"sqlite:///{tmp_path}/catalog.db", warehouse=str(tmp_path))
    catalog.load_table("tidewheel.flights").append(flights)
    assert store.snapshot("flights").row_count == 6
    assert store.reference(store.snapshot("flights")).is_direct
