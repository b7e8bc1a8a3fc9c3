"""Data files of Iceberg tables: how they are written, which ones a snapshot holds, and what they are called by content.

Equal rows give equal files: columns are cast to the table's types, cut every `ROWS_PER_FILE` rows and written in one
chunk each, so that neither the caller's chunks nor its string types leave a trace, and the Parquet writer puts in no
time and no id. Where the file lies is random, what it is called by content is not.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, TypeAlias

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.io import FileIO
from pyiceberg.io.pyarrow import _dataframe_to_data_files, pyarrow_to_schema
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat, ManifestFile
from pyiceberg.schema import Schema
from pyiceberg.table import Table
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.snapshots import Snapshot as IcebergSnapshot

from tidewheel.core.digest import digest_file, digest_stream, digest_value
from tidewheel.core.errors import ArtifactMissingError
from tidewheel.table_store.arrow_types import conform
from tidewheel.table_store.file_index import FileIndex
from tidewheel.table_store.pyiceberg_parquet import has_renamed_columns, write_parquet
from tidewheel.table_store.pyiceberg_schema import arrow_schema, schema_identity, schema_key

ROWS_PER_FILE = 1 << 20

CONTENTS = b"tidewheel.contents"
"""In the footer of a file that others were put together in: what these count as in the digest of a snapshot."""

TableData: TypeAlias = pa.Table | pa.RecordBatchReader | Iterable[pa.Table]
"""Rows to write: a table, a stream of batches, or several tables that each give their own files."""


class LiveFile(NamedTuple):
    """A file of a snapshot, with what its bytes say.

    Attributes:
        digest: of its bytes.
        layout: the key of its schema; empty where only an Iceberg scan can read it.
        contents: what it counts as in the digest of a snapshot: itself, or the files that it was put together from.
    """

    path: str
    content: str
    row_count: int
    size_bytes: int
    digest: str
    layout: str
    contents: tuple[str, ...]


class _ManifestFile(msgspec.Struct, array_like=True, frozen=True):
    path: str
    content: str
    row_count: int
    size_bytes: int
    sequence: int


def write_files(metadata: TableMetadata, io: FileIO, data: TableData, *, where: str) -> list[DataFile]:
    """Writes rows as data files that no snapshot names yet; on any error the files are removed again.

    Raises:
        SchemaMismatchError: the data does not fit the table.
    """
    schema = arrow_schema(metadata.schema())
    written: list[DataFile] = []
    try:
        for table in _tables(data):
            for start in range(0, table.num_rows, ROWS_PER_FILE):
                block = conform(table.slice(start, ROWS_PER_FILE), schema, where=where, fills_missing=True)
                if has_renamed_columns(metadata) and metadata.spec().is_unpartitioned():
                    written.append(write_parquet(metadata, io, block, name=str(uuid.uuid4())))
                else:
                    written.extend(_dataframe_to_data_files(table_metadata=metadata, df=block, io=io))
    except BaseException:
        remove_files(io, written)
        raise
    return written


def remove_files(io: FileIO, files: Iterable[DataFile]) -> None:
    """Removes data files that no snapshot names; one that cannot be removed is left as an orphan."""
    for file in files:
        with contextlib.suppress(OSError):
            io.delete(file.file_path)


def live_files(table: Table, snapshot: IcebergSnapshot, index: FileIndex) -> list[LiveFile]:
    """The files of a snapshot, data and deletes, oldest first."""
    listed = _listed_files(table.io, snapshot, index)
    known = index.get(f"file:{file.path}" for file in listed)
    fresh = {f"file:{file.path}": _inspect(table, file.path) for file in listed if f"file:{file.path}" not in known}
    index.put(fresh)
    facts = {**known, **fresh}
    result = []
    for file in listed:
        digest, layout, *stands_for = facts[f"file:{file.path}"].split(" ")
        contents = tuple(one.replace(":", " ") for one in stands_for) or (f"{file.content} {digest}",)
        result.append(LiveFile(file.path, file.content, file.row_count, file.size_bytes, digest, layout, contents))
    return result


def listed_paths(io: FileIO, snapshot: IcebergSnapshot, index: FileIndex) -> list[str]:
    """The manifests of a snapshot, and the files that they list."""
    manifests = [manifest.manifest_path for manifest in snapshot.manifests(io)]
    return [*manifests, *(file.path for file in _listed_files(io, snapshot, index))]


def content_digest(table: Table, snapshot: IcebergSnapshot, files: list[LiveFile]) -> str:
    """The identity of what a snapshot holds, wherever it lies: its schema and the contents of its files."""
    contents = sorted(content for file in files for content in file.contents)
    return digest_value("snapshot", [schema_identity(snapshot_schema(table, snapshot)), contents])


def snapshot_schema(table: Table, snapshot: IcebergSnapshot) -> Schema:
    """The Iceberg schema that a snapshot was written with."""
    schemas = table.schemas()
    return schemas[snapshot.schema_id] if snapshot.schema_id in schemas else table.schema()


def local_path(path: str) -> str:
    """The plain path of a file on this machine; a URL of another kind as it is."""
    return path.removeprefix("file://") if path.startswith("file:///") else path


def _tables(data: TableData) -> Iterator[pa.Table]:
    if isinstance(data, pa.Table):
        yield data
    elif isinstance(data, pa.RecordBatchReader):
        yield from _regroup(data)
    else:
        yield from data


def _regroup(reader: pa.RecordBatchReader) -> Iterator[pa.Table]:
    """Blocks of exactly `ROWS_PER_FILE` rows, so that the batches of a stream leave no trace in the files."""
    pending: list[pa.RecordBatch] = []
    rows = 0
    for batch in reader:
        while rows + batch.num_rows >= ROWS_PER_FILE:
            head = batch.slice(0, ROWS_PER_FILE - rows)
            yield pa.Table.from_batches([*pending, head], schema=reader.schema)
            batch, pending, rows = batch.slice(head.num_rows), [], 0
        if batch.num_rows:
            pending.append(batch)
            rows += batch.num_rows
    if pending:
        yield pa.Table.from_batches(pending, schema=reader.schema)


def _listed_files(io: FileIO, snapshot: IcebergSnapshot, index: FileIndex) -> list[_ManifestFile]:
    manifests = snapshot.manifests(io)
    known = index.get(f"manifest:{manifest.manifest_path}" for manifest in manifests)
    fresh: dict[str, str] = {}
    files: list[_ManifestFile] = []
    for manifest in manifests:
        key = f"manifest:{manifest.manifest_path}"
        if key in known:
            files.extend(msgspec.json.decode(known[key], type=list[_ManifestFile]))
        else:
            entries = _manifest_files(io, manifest)
            fresh[key] = msgspec.json.encode(entries).decode()
            files.extend(entries)
    index.put(fresh)
    # The sort is stable: files of one commit stay in the order in which they were written.
    return sorted(files, key=lambda file: file.sequence)


def _manifest_files(io: FileIO, manifest: ManifestFile) -> list[_ManifestFile]:
    return [
        _ManifestFile(
            entry.data_file.file_path,
            DataFileContent(entry.data_file.content).name.lower(),
            entry.data_file.record_count,
            entry.data_file.file_size_in_bytes,
            entry.sequence_number if entry.sequence_number is not None else manifest.sequence_number,
        )
        for entry in manifest.fetch_manifest_entry(io, discard_deleted=True)
    ]


def _inspect(table: Table, path: str) -> str:
    """`digest layout contents...` of a data file, see `LiveFile`; contents only where it stands for other files."""
    local = local_path(path)
    try:
        if "://" in local:
            with table.io.new_input(path).open() as stream:
                digest = digest_stream("table file", stream)  # type: ignore[arg-type]
            with table.io.new_input(path).open() as stream:
                return " ".join([digest, "", *_stands_for(local, stream)])
        digest = digest_file("table file", local)
    except FileNotFoundError:
        raise ArtifactMissingError(
            f"data file {local} of table {'.'.join(table.name())!r} is missing",
            next_step="restore the file, or read a snapshot that does not name it",
        ) from None
    return " ".join([digest, _layout(table, local), *_stands_for(local, local)])


def _stands_for(path: str, source: Any) -> list[str]:
    """The entry of a Parquet file's footer that compaction puts there; nothing for every other file."""
    if not path.endswith(FileFormat.PARQUET.value.lower()):
        return []
    try:
        told = (pq.read_metadata(source).metadata or {}).get(CONTENTS)
    except pa.ArrowInvalid:
        return []
    return [one.replace(" ", ":") for one in msgspec.json.decode(told, type=list[str])] if told else []


def _layout(table: Table, path: str) -> str:
    if not path.endswith(FileFormat.PARQUET.value.lower()):
        return ""
    try:
        schema = pyarrow_to_schema(pq.read_schema(path), table.name_mapping())
    except (ValueError, TypeError, pa.ArrowInvalid):
        return ""
    return schema_key(schema)
