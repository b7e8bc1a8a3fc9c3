"""Ingestion: each content once, all files or none, and the books right after a crash."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tidewheel.core.errors import SchemaMismatchError, UnreadableFileError
from tidewheel.metadata_store import Database, IngestStore
from tidewheel.steps.data_extraction import extract
from tidewheel.steps.data_ingestion import ingest
from tidewheel.table_store import PyIcebergTableStore


@pytest.fixture
def ingests(tmp_path):
    return IngestStore(Database.open(f"sqlite:///{tmp_path}/facts.db"))


@pytest.fixture
def store(tmp_path):
    return PyIcebergTableStore.open(tmp_path / "tables")


@pytest.fixture
def files(tmp_path):
    for name, rows in (
        ("a.csv", "1\n2\n"),
        ("b.csv", "3\n"),
        ("copy.csv", "1\n2\n"),
        ("real.csv", "0.5\n"),
        ("bad.csv", "x\n"),
    ):
        (tmp_path / name).write_text("n\n" + rows)
    return tmp_path


def test_files_become_rows_of_a_new_table(store, files):
    result = ingest(store, "t", [files / "a.csv", files / "b.csv"], run_id="r1")
    assert (result.rows, len(result.files_added), result.files_skipped) == (3, 2, ())
    assert store.read(result.snapshot).to_arrow()["n"].to_pylist() == [1, 2, 3]
    assert store.properties("t", result.snapshot.snapshot_id)["tidewheel.run"] == "r1"


def test_the_same_content_adds_nothing_under_any_name(store, files):
    first = ingest(store, "t", [files / "a.csv"])
    again = ingest(store, "t", [files / "a.csv", files / "copy.csv"])
    assert (again.rows, again.files_added, len(again.files_skipped)) == (0, (), 2)
    assert again.snapshot == first.snapshot


def test_a_file_given_twice_is_added_once(store, files):
    result = ingest(store, "t", [files / "a.csv", files / "copy.csv", files / "b.csv"])
    assert (result.rows, result.files_skipped) == (3, (str(files / "copy.csv"),))


def test_only_what_is_new_is_added(store, files):
    ingest(store, "t", [files / "a.csv"])
    result = ingest(store, "t", [files / "a.csv", files / "b.csv"])
    assert result.files_added == (str(files / "b.csv"),)
    assert store.read(result.snapshot).to_arrow()["n"].to_pylist() == [1, 2, 3]


def test_one_bad_file_keeps_all_of_them_out(store, files):
    ingest(store, "t", [files / "a.csv"])
    with pytest.raises(SchemaMismatchError, match=r"(?s)row 1: 'x' is no int64.*bad\.csv"):
        ingest(store, "t", [files / "b.csv", files / "bad.csv"])
    assert store.snapshot("t").row_count == 2


def test_a_bad_file_makes_no_table(store, files):
    with pytest.raises(SchemaMismatchError):
        ingest(store, "t", [files / "a.csv", files / "bad.csv"])
    with pytest.raises(UnreadableFileError):
        ingest(store, "t", [files / "gone.csv"])
    assert not store.exists("t")


def test_a_new_table_has_the_types_of_all_its_files(store, files):
    result = ingest(store, "t", [files / "a.csv", files / "real.csv"])
    assert store.read(result.snapshot).to_arrow()["n"].to_pylist() == [1.0, 2.0, 0.5]


def test_the_digest_does_not_depend_on_the_workspace_or_the_calls(store, files, tmp_path):
    together = ingest(store, "t", [files / "a.csv", files / "b.csv"]).snapshot
    other = PyIcebergTableStore.open(tmp_path / "other")
    ingest(other, "t", [files / "b.csv"], run_id="x")
    assert ingest(other, "t", [files / "a.csv"]).snapshot.digest == together.digest


def test_the_books_remember_what_snapshots_forget(store, files, ingests):
    result = ingest(store, "t", [files / "a.csv"], run_id="r1", ingests=ingests)
    (kept,) = ingests.list()
    assert (kept.table, kept.run_id, kept.row_count) == ("t", "r1", 2)
    store.overwrite("t", store.read(result.snapshot).to_arrow())
    store.expire_snapshots("t", datetime.now(UTC) + timedelta(hours=1))
    assert ingest(store, "t", [files / "a.csv"], ingests=ingests).rows == 0


def test_a_lost_record_is_found_with_the_snapshot_and_kept(store, files, ingests):
    first = ingest(store, "t", [files / "a.csv"], run_id="r1")  # the crash came before the books were written
    again = ingest(store, "t", [files / "a.csv"], run_id="r2", ingests=ingests)
    (kept,) = ingests.list()
    assert (again.rows, kept.run_id, kept.row_count, kept.snapshot_id) == (0, "r1", 2, first.snapshot.snapshot_id)


def test_a_table_made_anew_takes_its_files_again(store, files, ingests):
    ingest(store, "t", [files / "a.csv"], ingests=ingests)
    store.drop("t")
    assert ingest(store, "t", [files / "a.csv"], ingests=ingests).rows == 2


def test_an_extraction_reads_the_snapshot_it_was_given(store, files):
    first = ingest(store, "t", [files / "a.csv"]).snapshot
    ingest(store, "t", [files / "b.csv"])
    rows = extract("select n from t where n > $least order by n", {"t": store.reference(first)}, {"least": 0})
    assert rows["n"].to_pylist() == [1, 2]
