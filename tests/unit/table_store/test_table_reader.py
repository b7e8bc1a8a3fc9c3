"""Reading a snapshot by its reference alone, directly and through the Iceberg scan."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pyarrow as pa
import pytest

from tidewheel.core.errors import ArtifactCorruptError, ParameterError, SchemaMismatchError
from tidewheel.table_store import TableReader, TableReference

ROWS = [{"n": n, "s": str(n), "m": None} for n in range(6)]


@pytest.fixture(params=["direct", "evolved", "deleted"])
def reference(request, store):
    """The rows 0..5, once as plain files, once with a column added since, once with a deleted row."""
    data = pa.table({"n": [0, 1, 2], "s": ["0", "1", "2"]})
    full = data.append_column("m", pa.nulls(3, pa.float64()))
    if request.param == "direct":
        store.create("t", full)
    else:
        store.create("t", data)
        store.evolve("t", full.schema)
    rest = pa.table({"n": [3, 4, 5], "s": ["3", "4", "5"], "m": pa.nulls(3, pa.float64())})
    snapshot = store.append("t", rest)
    made = store.reference(snapshot)
    assert made.is_direct == (request.param == "direct")
    if request.param == "deleted":
        store.append("t", pa.table({"n": [99], "s": ["99"], "m": [0.5]}))
        store._load("t").delete("n = 99")
        made = store.reference(store.snapshot("t"))
    return TableReference.from_json(made.to_json())


def test_rows_columns_filters_and_limits(reference):
    reader = TableReader(reference)
    assert reader.row_count == 6
    assert reader.schema.names == ["n", "s", "m"]
    assert reader.to_arrow().to_pylist() == ROWS
    assert reader.to_arrow(["s", "n"]).to_pylist() == [{"s": row["s"], "n": row["n"]} for row in ROWS]
    assert reader.to_arrow(["s"], filter="n > 2", limit=2).to_pylist() == [{"s": "3"}, {"s": "4"}]
    assert reader.to_arrow(limit=2).to_pylist() == ROWS[:2]
    assert reader.to_arrow(limit=0).schema == reader.schema
    assert reader.to_arrow(filter="m is null -- always").num_rows == 6
    assert reader.to_pandas(["n"])["n"].tolist() == list(range(6))


def test_batches_are_bounded_and_complete(reference):
    batches = list(TableReader(reference).batches(["n"], filter="n <> 3", batch_rows=2))
    assert max(batch.num_rows for batch in batches) <= 2
    assert pa.Table.from_batches(batches)["n"].to_pylist() == [0, 1, 2, 4, 5]


def test_encoded_batches_are_the_same_rows(reference):
    reader = TableReader(reference)
    rows = [row for batch in reader.encoded_batches() for row in batch.to_pylist()]
    assert rows == ROWS
    assert next(reader.encoded_batches(["s"])).schema.names == ["s"]
    with pytest.raises(SchemaMismatchError, match="'x'"):
        next(reader.encoded_batches(["x"]))


def test_sql_calls_the_table_this(reference):
    reader = TableReader(reference)
    assert reader.sql("select sum(n) total, count(m) known from this where s <> $s", {"s": "5"}).to_pylist() == [
        {"total": 10, "known": 0}
    ]


def test_a_reference_survives_the_dictionary_form(reference):
    assert TableReference.from_dict(reference.to_dict()) == reference


def test_what_does_not_exist_is_refused_with_near_names(reference):
    reader = TableReader(reference)
    with pytest.raises(SchemaMismatchError, match="'nn'"):
        reader.to_arrow(["nn"])
    with pytest.raises(SchemaMismatchError, match="'nope'"):
        reader.to_arrow(filter="nope = 1")
    with pytest.raises(ParameterError):
        reader.to_arrow(filter="n = ")
    with pytest.raises(ParameterError, match="limit is -1"):
        reader.to_arrow(limit=-1)


def test_a_snapshot_is_read_without_its_catalog_and_after_many_commits(store, tmp_path):
    store.create("t", pa.table({"n": [1]}))
    snapshot = store.evolve("t", pa.schema({"n": pa.int64(), "m": pa.int64()}))
    reference = store.reference(snapshot)
    for path in (tmp_path / "tables").glob("catalog.db*"):
        path.unlink()
    for path in (tmp_path / "tables").rglob("*.metadata.json"):
        path.unlink()
    assert TableReader(reference).to_arrow().to_pylist() == [{"n": 1, "m": None}]


def test_a_truncated_file_is_named(store, flights):
    reader = store.read(store.create("flights", flights))
    path = reader.reference.files[0].path
    shutil.copy(path, path + ".copy")
    with open(path, "r+b") as stream:
        stream.truncate(100)
    with pytest.raises(ArtifactCorruptError):
        reader.to_arrow()
    with pytest.raises(ArtifactCorruptError, match=path):
        reader.sql("select * from this")


def test_a_direct_read_loads_neither_pyiceberg_nor_sqlalchemy(store, flights, tmp_path):
    (tmp_path / "reference.json").write_bytes(store.reference(store.create("flights", flights)).to_json())
    code = """
import sys, pathlib
from tidewheel.table_store import TableReader, TableReference
light = {"pyarrow", "pyiceberg", "duckdb", "pandas", "numpy", "sqlalchemy"} & set(sys.modules)
assert not light, light
reader = TableReader(TableReference.from_json(pathlib.Path(sys.argv[1]).read_bytes()))
assert reader.to_arrow().num_rows == 3
assert not {"duckdb", "pyiceberg"} & set(sys.modules)
assert reader.sql("select count(*) n from this")["n"].to_pylist() == [3]
assert not {"pyiceberg", "sqlalchemy"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "reference.json")], check=True)
