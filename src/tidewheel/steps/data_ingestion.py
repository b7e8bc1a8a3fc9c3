"""Data ingestion: files become rows of a table, each file once.

A file is known by the digest of its bytes, which is kept with the very snapshot that its rows arrive in. So the same
content adds nothing a second time, under whatever name; two processes that ingest one file at once add it once; and
after a crash between the commit and the bookkeeping the next run finds the commit and only does the bookkeeping.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from tidewheel.core.clock import utc_now
from tidewheel.core.digest import digest_file, digest_value
from tidewheel.core.errors import ConflictError, NotFoundError, UnreadableFileError
from tidewheel.core.records import Record, Snapshot
from tidewheel.metadata_store import Ingest, IngestStore
from tidewheel.steps.data_files import NULLS, read_file, read_files, unified_schema
from tidewheel.table_store import PyIcebergTableStore

__all__ = ["IngestResult", "ingest", "read_files"]

PROPERTY = "tidewheel.ingest."
"""Before a file's digest: the property of the snapshot that brought its rows; the value is their number and its name"""

RUN_PROPERTY = "tidewheel.run"
"""The property of a snapshot that names the run which made it."""

_ATTEMPTS = 10


class IngestResult(Record, frozen=True, kw_only=True):
    """What an ingest did.

    Attributes:
        snapshot: the table afterwards: the snapshot that it made, or the current one when nothing was new.
        rows: how many were added.
        files_added: paths whose rows were added, in the order given.
        files_skipped: paths whose content the table had, or that repeat another of the same call.
    """

    snapshot: Snapshot
    rows: int
    files_added: tuple[str, ...]
    files_skipped: tuple[str, ...]


class _Pending(Record, frozen=True, kw_only=True):
    path: str
    digest: str


def ingest(
    store: PyIcebergTableStore,
    table: str,
    files: Sequence[Path | str],
    *,
    run_id: str = "",
    ingests: IngestStore | None = None,
    nulls: Sequence[str] = NULLS,
) -> IngestResult:
    """Adds the rows of those files that a table does not have yet, in one commit: all of them or none.

    Args:
        store: where the table is.
        table: its name; made from the files when it does not exist.
        files: see `read_files` for the kinds.
        run_id: kept with the snapshot.
        ingests: remembers files when their snapshots have expired; without it the snapshots alone are asked.
        nulls: the texts of a CSV file that mean "no value".

    Raises:
        UnreadableFileError, SchemaMismatchError: see `read_files`; nothing was added, from any file.
        ConflictError: other writers were first again and again.
        StorageError: the disk or the catalog refused.
    """
    given = [_Pending(path=str(path), digest=_digest(Path(path))) for path in files]
    if not given:
        raise UnreadableFileError("no files are given", next_step="name at least one file")
    for attempt in range(_ATTEMPTS):
        fresh = _fresh(store, table, given, ingests)
        try:
            return _add(store, table, given, fresh, run_id, ingests, nulls)
        except ConflictError:  # another process made the table, or added one of the files: look again what is left
            if attempt == _ATTEMPTS - 1:
                raise
    raise AssertionError("unreachable")


def _add(
    store: PyIcebergTableStore,
    table: str,
    given: Sequence[_Pending],
    fresh: Sequence[_Pending],
    run_id: str,
    ingests: IngestStore | None,
    nulls: Sequence[str],
) -> IngestResult:
    skipped = tuple(file.path for file in given if not any(file is one for one in fresh))
    if not fresh:
        return IngestResult(snapshot=store.snapshot(table), rows=0, files_added=(), files_skipped=skipped)
    rows: dict[str, int] = {}

    def tables(schema: pa.Schema | None) -> Iterator[pa.Table]:
        for file in fresh:
            data = read_file(Path(file.path), schema=schema, nulls=nulls)
            rows[file.digest] = data.num_rows
            properties[f"{PROPERTY}{file.digest}"] = f"{data.num_rows} {Path(file.path).name}"
            yield data

    properties = {RUN_PROPERTY: run_id} if run_id else {}
    unless = [f"{PROPERTY}{file.digest}" for file in fresh]
    if not store.exists(table):
        schemas = {file.path: data.schema for file, data in zip(fresh, tables(None), strict=True)}
        store.create(table, unified_schema(schemas))
    snapshot = store.append(table, tables(store.schema(table)), properties=properties, unless=unless)
    for file in fresh:
        _record(ingests, file, snapshot, run_id, rows[file.digest])
    return IngestResult(
        snapshot=snapshot,
        rows=sum(rows.values()),
        files_added=tuple(file.path for file in fresh),
        files_skipped=skipped,
    )


def _fresh(
    store: PyIcebergTableStore, table: str, given: Sequence[_Pending], ingests: IngestStore | None
) -> list[_Pending]:
    """The files whose content the table does not have; what a crash left unrecorded is recorded."""
    try:
        uuid = store.info(table).table_uuid
    except NotFoundError:
        uuid = ""
    fresh: dict[str, _Pending] = {}
    for file in given:
        if file.digest in fresh:
            continue
        if uuid and ingests is not None and ingests.find(table, _key(uuid, file.digest)) is not None:
            continue
        key = f"{PROPERTY}{file.digest}"
        found = store.find_by_property(table, key) if uuid else None
        if found is None:
            fresh[file.digest] = file
        else:
            properties = store.properties(table, found.snapshot_id)
            rows = int(properties[key].partition(" ")[0])
            _record(ingests, file, found, properties.get(RUN_PROPERTY, ""), rows)
    return list(fresh.values())


def _record(ingests: IngestStore | None, file: _Pending, snapshot: Snapshot, run_id: str, rows: int) -> None:
    if ingests is None:
        return
    ingests.put(
        Ingest(
            table=snapshot.table,
            content_digest=_key(snapshot.table_uuid, file.digest),
            file=Path(file.path).name,
            snapshot_id=snapshot.snapshot_id,
            run_id=run_id,
            row_count=rows,
            recorded_at=utc_now(),
        )
    )


def _key(table_uuid: str, digest: str) -> str:
    """A content in this very table: one that was dropped and made anew under the same name has seen no file yet."""
    return digest_value("ingest", [table_uuid, digest])


def _digest(path: Path) -> str:
    try:
        return digest_file("ingested file", path)
    except OSError as error:
        raise UnreadableFileError(f"{path}: {error.strerror or error}", next_step="check the path") from None
