"""Table care: the same rows, the same order, the same digest; nothing that is needed goes."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from iceberg_deletes import add_position_deletes
from tidewheel.core.errors import ConflictError, NotFoundError
from tidewheel.table_store import PyIcebergTableStore
from tidewheel.table_store.maintenance import MaintenancePolicy
from tidewheel.table_store.pyiceberg_rewrite import rewrite_group

POLICY = MaintenancePolicy(min_files=3, keep_snapshots=3)
LATER = timedelta(hours=1)


def rows(number, count=3):
    return pa.table({"n": [number] * count, "f": [float("nan"), None, number / 3][:count]})


def filled(store, name="t", appends=10):
    store.create(name, rows(0).schema)
    for number in range(appends):
        store.append(name, rows(number), properties={f"tidewheel.ingest.{number}": str(number)})
    return store.snapshot(name)


def expire(store, name="t", count=POLICY.keep_snapshots, keep=()):
    long_ago = datetime(2000, 1, 1, tzinfo=UTC)
    return store.maintenance.expire(name, older_than=long_ago, keep_snapshots=count, keep=lambda: keep)


def values(store, snapshot=None, name="t"):
    return store.read(snapshot or store.snapshot(name)).to_arrow()["n"].to_pylist()


def test_compaction_changes_neither_rows_nor_order_nor_digest(store):
    before = filled(store)
    done = store.maintenance.compact("t", POLICY)
    after = store.snapshot("t")
    assert (done.before, done.after, done.files_removed, done.files_added) == (before, after, 10, 1)
    assert after.snapshot_id != before.snapshot_id
    assert (after.digest, after.row_count, after.file_count) == (before.digest, before.row_count, 1)
    assert values(store, after) == values(store, before) == [n for n in range(10) for _ in range(3)]
    assert store.maintenance.compact("t", POLICY) is None
    assert store.info("t").row_count == 30


@settings(max_examples=4, phases=[Phase.explicit, Phase.generate])
@given(st.lists(st.sampled_from(["append", "large", "compact", "evolve"]), min_size=4, max_size=14))
def test_a_table_with_maintenance_and_one_without_are_the_same_after_every_step(tmp_path_factory, steps):
    cared, plain = (PyIcebergTableStore.open(tmp_path_factory.mktemp("tables")) for _ in range(2))
    for store in (cared, plain):
        store.create("t", rows(0).schema)
    for number, step in enumerate(steps):
        if step == "compact":
            cared.maintenance.compact("t", POLICY)
            expire(cared)
            continue
        for store in (cared, plain):
            if step == "evolve":
                store.evolve("t", pa.schema([(f"c{number}", pa.int64())]))
            else:
                store.append("t", rows(number) if step == "append" else pa.concat_tables([rows(number)] * 30))
        assert cared.snapshot("t").digest == plain.snapshot("t").digest
    assert values(cared) == values(plain)
    query = "select * from this"
    results = [store.read(store.snapshot("t")).sql(query).to_pylist() for store in (cared, plain)]
    assert repr(results[0]) == repr(results[1])  # nan is not equal to itself


def test_a_lost_index_finds_the_same_digest(store, tmp_path):
    filled(store)
    digest = store.maintenance.compact("t", POLICY).after.digest
    for path in (tmp_path / "tables").glob("index.db*"):
        path.unlink()
    assert PyIcebergTableStore.open(tmp_path / "tables").snapshot("t").digest == digest


def test_compacted_files_are_held_against_their_own_digests(store):
    filled(store)
    reader = store.read(store.maintenance.compact("t", POLICY).after)
    reader.verify()
    assert reader.reference.is_direct


def test_files_of_an_older_schema_are_read_right_before_and_directly_after(store):
    filled(store, appends=2)
    store.evolve("t", pa.schema([("late", pa.string())]))
    before = store.append("t", pa.table({"n": [7], "f": [1.0], "late": ["x"]}))
    reader = store.read(before)
    assert not reader.reference.is_direct
    query = "select n, late from this order by all"
    expected = reader.sql(query)
    done = store.maintenance.compact("t", POLICY)
    assert done.after.digest == before.digest
    after = store.read(done.after)
    assert after.reference.is_direct
    assert after.sql(query) == expected
    assert values(store, done.after) == values(store, before)


def test_rows_that_other_engines_deleted_are_not_read_and_not_written_again(store):
    filled(store, appends=4)
    add_position_deletes(store, "t", [0, 2])
    before = store.snapshot("t")
    reader = store.read(before)
    assert (before.row_count, reader.reference.is_direct) == (10, False)
    assert reader.sql("select count(*) c from this").to_pylist() == [{"c": 10}]
    kept = values(store, before)
    assert len(kept) == 10
    done = store.maintenance.compact("t", POLICY)
    after = store.read(done.after)
    assert (done.after.digest, done.after.row_count) == (before.digest, 10)
    assert after.reference.is_direct
    assert values(store, done.after) == kept
    assert after.sql("select count(*) c from this").to_pylist() == [{"c": 10}]
    assert store.info("t").row_count == 10


def test_an_append_meanwhile_keeps_its_place_and_is_not_lost(store, monkeypatch):
    filled(store)

    def slowly(table, tasks, contents):
        if store.snapshot("t").row_count == 30:
            store.append("t", rows(99))
        return rewrite_group(table, tasks, contents)

    monkeypatch.setattr("tidewheel.table_store.pyiceberg_maintenance.rewrite_group", slowly)
    done = store.maintenance.compact("t", POLICY)
    assert done.after.row_count == 33
    assert values(store) == [*(n for n in range(10) for _ in range(3)), 99, 99, 99]


def test_rows_that_are_replaced_meanwhile_are_not_brought_back(store, monkeypatch):
    filled(store)

    def too_late(table, tasks, contents):
        new = rewrite_group(table, tasks, contents)
        store.overwrite("t", rows(99))
        return new

    monkeypatch.setattr("tidewheel.table_store.pyiceberg_maintenance.rewrite_group", too_late)
    with pytest.raises(ConflictError, match="files went"):
        store.maintenance.compact("t", POLICY)
    assert values(store) == [99, 99, 99]
    assert all(not orphan.path.rpartition("/")[2].startswith("compacted") for orphan in orphans(store))


def orphans(store, grace=timedelta(0), name="t"):
    return store.maintenance.find_orphans(name, grace - timedelta(seconds=5))


def test_expiry_keeps_what_a_pin_a_tag_or_a_branch_holds(store):
    filled(store)
    made = store.snapshots("t")
    store.tag("t", made[1].snapshot_id, "model-v1")
    gone = expire(store, keep={made[2].snapshot_id})
    left = {one.snapshot_id for one in store.snapshots("t")}
    assert left == {made[place].snapshot_id for place in (1, 2, 8, 9, 10)}
    assert set(gone) == {one.snapshot_id for one in made} - left
    store.maintenance.remove_orphans("t", -LATER)
    for snapshot in store.snapshots("t"):
        store.read(snapshot).verify()
        assert len(values(store, snapshot)) == snapshot.row_count


def test_what_expired_snapshots_brought_is_still_known(store, tmp_path):
    filled(store)
    first = store.find_by_property("t", "tidewheel.ingest.0")
    expire(store)
    with pytest.raises(NotFoundError):
        store.snapshot("t", id=first.snapshot_id)
    again = PyIcebergTableStore.open(tmp_path / "tables")
    assert again.find_by_property("t", "tidewheel.ingest.0") == first
    assert again.find_by_property("t", "tidewheel.ingest.0", "other") is None
    assert again.properties("t", first.snapshot_id)["tidewheel.ingest.0"] == "0"
    with pytest.raises(ConflictError, match="tidewheel.ingest.0"):
        again.append("t", rows(0), unless=["tidewheel.ingest.0"])


def test_a_table_that_was_made_anew_knows_nothing_of_the_old_one(store):
    filled(store)
    expire(store)
    store.drop("t")
    store.create("t", rows(0).schema)
    assert store.find_by_property("t", "tidewheel.ingest.0") is None


def test_orphans_wait_for_the_time_of_grace_and_strangers_files_stay(store, tmp_path):
    filled(store)
    done = store.maintenance.compact("t", POLICY)
    expire(store, count=1)
    folder = next((tmp_path / "tables").rglob("data"))
    (folder / "notes.txt").write_text("mine")
    (folder / "left-by-a-kill.parquet").write_bytes(b"torn")
    assert store.maintenance.remove_orphans("t", LATER) == []
    for path in folder.iterdir():
        os.utime(path, (0, 0))
    gone = {Path(one.path).name for one in store.maintenance.remove_orphans("t", LATER)}
    assert "left-by-a-kill.parquet" in gone
    assert len(gone) == 11
    assert {path.name for path in folder.iterdir()} == {
        "notes.txt",
        Path(store.reference(done.after).files[0].path).name,
    }
    assert len(values(store)) == 30


def test_maintenance_is_due_after_many_commits_only(store):
    filled(store, appends=10)
    assert not store.maintenance.is_due("t", POLICY)
    for number in range(20):
        store.append("t", rows(number))
    assert store.maintenance.is_due("t", POLICY)
    store.maintenance.compact("t", POLICY)
    expire(store)
    assert not store.maintenance.is_due("t", POLICY)


def test_a_table_without_rows_and_an_unknown_one(store):
    store.create("empty", rows(0).schema)
    assert store.maintenance.compact("empty", POLICY) is None
    assert expire(store, "empty") == ()
    with pytest.raises(NotFoundError):
        store.maintenance.compact("nothing", POLICY)
