"""Arrow tables: one form for equal tables, mapped on reading."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidewheel.artifact_store import LocalArtifactStore, arrow_codec
from tidewheel.core.errors import ParameterError

leaf = (
    st.sampled_from([pa.int8(), pa.int64(), pa.bool_(), pa.string(), pa.large_binary(), pa.float32()])
    | st.just(pa.timestamp("ms", "UTC"))
    | st.just(pa.dictionary(pa.int8(), pa.string()))
)
types = st.recursive(
    leaf.filter(lambda kind: not pa.types.is_dictionary(kind)),
    lambda inner: (
        inner.map(pa.list_)
        | inner.map(lambda kind: pa.list_(kind, 2))
        | inner.map(lambda kind: pa.struct([("p", kind), ("q", pa.string())]))
    ),
    max_leaves=3,
)


def values_of(kind: pa.DataType) -> st.SearchStrategy:
    if pa.types.is_fixed_size_list(kind):
        some = st.lists(values_of(kind.value_type), min_size=2, max_size=2)
    elif pa.types.is_list(kind):
        some = st.lists(values_of(kind.value_type), max_size=3)
    elif pa.types.is_struct(kind):
        some = st.fixed_dictionaries({"p": values_of(kind.field("p").type), "q": values_of(pa.string())})
    elif pa.types.is_boolean(kind):
        some = st.booleans()
    elif pa.types.is_large_binary(kind):
        some = st.binary(max_size=4)
    elif pa.types.is_string(kind):
        some = st.text(max_size=4)
    elif pa.types.is_floating(kind):
        some = st.floats(width=32, allow_nan=False)
    else:
        some = st.integers(-100, 100)
    return st.none() | some


columns = types.flatmap(lambda kind: st.tuples(st.just(kind), st.lists(values_of(kind), max_size=20)))


def encoded(table: pa.Table) -> bytes:
    written = bytearray()

    class Stream:
        closed = False

        def write(self, data):
            written.extend(memoryview(data))
            return len(data)

        def flush(self):
            pass

    arrow_codec.write_table(table, Stream())  # type: ignore[arg-type]
    return bytes(written)


@settings(max_examples=50)
@given(columns, st.data())
def test_chunks_slices_and_what_lies_under_nulls_do_not_matter(column, data):
    kind, values = column
    expected = encoded(pa.table({"c": pa.array(values, kind)}))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(values)), max_size=3)))
    before = data.draw(st.lists(values_of(kind), max_size=9))
    chunks = []
    for start, stop in zip([0, *cuts], [*cuts, len(values)], strict=True):
        longer = pa.array([*before, *values[start:stop], *before], kind)
        chunks.append(longer.slice(len(before), stop - start))
    cut = pa.table({"c": pa.chunked_array(chunks, kind)})
    assert encoded(cut) == expected
    back = pa.ipc.open_file(pa.py_buffer(expected)).read_all()
    back.validate(full=True)
    assert back.equals(pa.table({"c": pa.array(values, kind)}))


def under_nulls(fill: int) -> pa.Table:
    valid = np.array([True, False, True, False])
    bitmap = pa.py_buffer(np.packbits(valid, bitorder="little"))
    numbers = pa.Array.from_buffers(pa.int32(), 4, [bitmap, pa.py_buffer(np.array([1, fill, 3, fill], "i4"))])
    letters = pa.py_buffer(f"a{fill}b{fill}".encode())
    texts = pa.Array.from_buffers(
        pa.string(),
        4,
        [bitmap, pa.py_buffer(np.array([0, 1, 2, 3, 4], "i4")), letters],
    )
    lists = pa.Array.from_buffers(
        pa.list_(pa.int64()),
        4,
        [bitmap, pa.py_buffer(np.array([0, 1, 2, 3, 4], "i4"))],
        children=[pa.array([1, fill, 3, fill])],
    )
    structs = pa.Array.from_buffers(
        pa.struct([("p", pa.int64())]), 4, [bitmap], children=[pa.array([1, fill, 3, fill])]
    )
    pairs = pa.Array.from_buffers(pa.list_(pa.int64(), 1), 4, [bitmap], children=[pa.array([1, fill, 3, fill])])
    return pa.table({"numbers": numbers, "texts": texts, "lists": lists, "structs": structs, "pairs": pairs})


def test_bytes_under_nulls_are_no_part_of_a_table():
    assert under_nulls(7).equals(under_nulls(8))
    assert encoded(under_nulls(7)) == encoded(under_nulls(8))
    back = pa.ipc.open_file(pa.py_buffer(encoded(under_nulls(7)))).read_all()
    back.validate(full=True)
    assert back.equals(under_nulls(7))


def test_a_bitmap_of_ones_is_no_part_of_a_table():
    ones = pa.Array.from_buffers(pa.int8(), 2, [pa.py_buffer(b"\xff"), pa.py_buffer(b"\x01\x02")])
    assert encoded(pa.table({"a": ones})) == encoded(pa.table({"a": pa.array([1, 2], pa.int8())}))


def test_dictionaries_of_several_chunks_become_one(tmp_path):
    store = LocalArtifactStore(tmp_path)
    chunks = [pa.array(["a", "b"]).dictionary_encode(), pa.array(["c", "a", None]).dictionary_encode()]
    loaded = store.load(store.put(pa.table({"d": pa.chunked_array(chunks)})))
    assert loaded["d"].to_pylist() == ["a", "b", "c", "a", None]


def test_batches_have_fixed_borders(tmp_path, monkeypatch):
    monkeypatch.setattr(arrow_codec, "BATCH_ROWS", 10)
    whole = pa.table({"a": pa.array(range(35)), "s": pa.array([str(n) for n in range(35)])})
    parts = pa.concat_tables([whole.slice(0, 3), whole.slice(3, 20), whole.slice(23)])
    assert encoded(whole) == encoded(parts)
    store = LocalArtifactStore(tmp_path)
    loaded = store.load(store.put(parts))
    assert loaded.equals(whole)
    assert [len(chunk) for chunk in loaded["a"].chunks] == [10, 10, 10, 5]


def test_metadata_is_kept_and_its_order_is_not():
    field = pa.field("a", pa.struct([pa.field("p", pa.int8(), metadata={"y": "1", "x": "2"})]), metadata={"b": "1"})
    turned = pa.field("a", pa.struct([pa.field("p", pa.int8(), metadata={"x": "2", "y": "1"})]), metadata={"b": "1"})
    column = [pa.array([{"p": 1}], field.type)]
    one = pa.table(column, schema=pa.schema([field], metadata={"z": "1", "w": "2"}))
    other = pa.table(column, schema=pa.schema([turned], metadata={"w": "2", "z": "1"}))
    assert encoded(one) == encoded(other)
    back = pa.ipc.open_file(pa.py_buffer(encoded(one))).read_all()
    assert back.equals(one, check_metadata=True)


def test_a_loaded_table_is_mapped_and_not_copied(tmp_path):
    store = LocalArtifactStore(tmp_path)
    artifact = store.put(pa.table({"a": np.arange(1 << 20)}))
    before = pa.total_allocated_bytes()
    table = store.load(artifact)
    assert pa.total_allocated_bytes() - before < 100_000
    assert table["a"][-1].as_py() == (1 << 20) - 1
    maps = Path("/proc/self/maps")
    if maps.exists():
        assert artifact.digest in maps.read_text()


def test_a_record_batch_comes_back_as_one_when_declared(tmp_path):
    store = LocalArtifactStore(tmp_path)
    batch = pa.record_batch({"a": [1, 2]})
    artifact = store.put(batch)
    assert store.load(artifact, pa.RecordBatch).equals(batch)
    assert isinstance(store.load(artifact), pa.Table)


@pytest.mark.parametrize(
    "column",
    [
        pa.array(["x"], pa.string_view()),
        pa.UnionArray.from_sparse(pa.array([0], pa.int8()), [pa.array([1])]),
        pa.RunEndEncodedArray.from_arrays([1], [5]),
    ],
    ids=lambda column: str(column.type),
)
def test_a_type_without_a_canonical_form_is_refused_by_its_column(tmp_path, column):
    store = LocalArtifactStore(tmp_path)
    with pytest.raises(ParameterError, match="column 'odd' cannot be stored"):
        store.put(pa.table({"fine": [1], "odd": column}))
    assert store.list_digests() == []


@pytest.mark.parametrize("rows", [0, 1, 6, 7, 20])
def test_a_stream_is_stored_as_the_table_that_it_makes_up(tmp_path, monkeypatch, rows):
    monkeypatch.setattr(arrow_codec, "BATCH_ROWS", 7)
    store = LocalArtifactStore(tmp_path)
    table = pa.table({"n": range(rows), "s": pa.array(["x", None] * rows).slice(0, rows)})
    for size in (1, 3, 50):
        stored = store.put(pa.RecordBatchReader.from_batches(table.schema, table.to_batches(size)))
        assert stored == store.put(table)
    assert store.load(stored) == table


def test_dictionaries_of_a_stream_are_stored_as_their_values(tmp_path):
    batches = [pa.record_batch({"s": pa.array(values).dictionary_encode()}) for values in (["a", "b"], ["c", None])]
    store = LocalArtifactStore(tmp_path)
    stored = store.put(pa.RecordBatchReader.from_batches(batches[0].schema, batches))
    assert stored == store.put(pa.table({"s": ["a", "b", "c", None]}))


def test_a_stream_that_breaks_off_leaves_nothing_behind(tmp_path):
    def broken():
        yield pa.record_batch({"n": [1]})
        raise ParameterError("broken off")

    with pytest.raises(ParameterError, match="broken off"):
        LocalArtifactStore(tmp_path).put(pa.RecordBatchReader.from_batches(pa.schema([("n", pa.int64())]), broken()))
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
