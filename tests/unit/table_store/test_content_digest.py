"""A snapshot's digest says what it holds, and nothing of where, when or in which pieces it came."""

from __future__ import annotations

import itertools

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidewheel.core.errors import ArtifactCorruptError
from tidewheel.table_store import PyIcebergTableStore
from tidewheel.table_store import pyiceberg_files as files


def test_equal_data_in_two_workspaces_has_one_digest(tmp_path, flights):
    one, two = (PyIcebergTableStore.open(tmp_path / name) for name in ("one", "two"))
    for store in (one, two):
        store.create("flights", flights)
    assert one.append("flights", flights, properties={"by": "a"}).digest == two.append("flights", flights).digest


@settings(max_examples=15)
@given(st.lists(st.integers(1, 9), max_size=4))
def test_chunks_and_string_types_leave_no_trace(tmp_path_factory, cuts):
    store = PyIcebergTableStore.open(tmp_path_factory.mktemp("tables"))
    data = pa.table({"n": list(range(10)), "s": ["x", None] * 5})
    edges = [0, *sorted(set(cuts)), 10]
    pieces = [data.slice(a, b - a) for a, b in itertools.pairwise(edges)]
    chunked = pa.concat_tables(pieces)
    other = pa.table(
        {"n": chunked["n"].cast(pa.uint32()), "s": chunked["s"].cast(pa.large_string()).dictionary_encode()}
    )
    assert store.create("a", data).digest == store.create("b", other.select(["n", "s"]), properties={}).digest


def test_one_other_value_gives_another_digest(store):
    digests = {store.create(name, pa.table({"n": [value]})).digest for name, value in (("a", 1), ("b", 2), ("c", None))}
    assert len(digests) == 3


def test_rows_appended_twice_differ_from_rows_appended_once(store, flights):
    assert store.create("flights", flights).digest != store.append("flights", flights).digest


def test_columns_of_another_name_give_another_digest(store):
    assert (
        store.create("a", pa.schema({"n": pa.int64()})).digest != store.create("b", pa.schema({"m": pa.int64()})).digest
    )


def test_tables_appended_together_or_apart_have_one_digest(store, flights):
    store.create("together", flights.schema)
    store.create("apart", flights.schema)
    together = store.append("together", [flights, flights.slice(1)])
    store.append("apart", flights.slice(1))
    assert together.digest == store.append("apart", flights).digest


def test_a_long_stream_is_cut_at_fixed_rows(store, monkeypatch):
    monkeypatch.setattr(files, "ROWS_PER_FILE", 10)
    data = pa.table({"n": list(range(35))})
    for name, step in (("a", 7), ("b", 35), ("c", 10)):
        store.create(name, data.schema)
        reader = pa.RecordBatchReader.from_batches(data.schema, data.to_batches(max_chunksize=step))
        store.append(name, reader)
    store.create("whole", data.schema)
    store.append("whole", data)
    made = [store.snapshot(name) for name in ("a", "b", "c", "whole")]
    assert {snapshot.digest for snapshot in made} == {made[0].digest}
    assert [snapshot.file_count for snapshot in made] == [4] * 4
    assert store.read(made[0]).to_arrow()["n"].to_pylist() == list(range(35))


@pytest.mark.parametrize("damage", ["lost", "garbage"])
def test_the_digest_is_computed_again_when_the_index_is_gone(tmp_path, flights, damage):
    store = PyIcebergTableStore.open(tmp_path)
    store.create("flights", flights)
    before = store.append("flights", flights)
    for path in tmp_path.glob("index.db*"):
        path.unlink()
    if damage == "garbage":
        (tmp_path / "index.db").write_bytes(b"garbage" * 1000)
    again = PyIcebergTableStore.open(tmp_path)
    assert again.snapshot("flights") == before
    assert again.snapshot("flights") == before


def test_an_altered_data_file_is_found_by_verify(store, flights):
    snapshot = store.create("flights", flights)
    reader = store.read(snapshot)
    reader.verify()
    path = reader.reference.files[0].path
    with open(path, "r+b") as stream:
        stream.seek(10)
        byte = stream.read(1)
        stream.seek(10)
        stream.write(bytes([byte[0] ^ 1]))
    with pytest.raises(ArtifactCorruptError, match=path):
        reader.verify()
