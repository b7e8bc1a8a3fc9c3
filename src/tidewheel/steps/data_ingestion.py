"""Data ingestion: files become rows of a table, each file once.

A file is known by the digest of its bytes, which is kept with the very snapshot that its rows arrive in. So the same
content adds nothing a second time, under whatever name; two processes that ingest one file at once add it once; and
after a crash between the commit and the bookkeeping the next run finds the commit and only does the bookkeeping.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from tidewheel.core.clock import utc_now
from tidewheel.core.digest import digest_file
from tidewheel.core.errors import ConflictError, NotFoundError, UnreadableFileError
from tidewheel.core.records import Record, Snapshot
from tidewheel.steps.data_files import NULLS, read_file, read_files, unified_schema
from tidewheel.table_store import PyIcebergTableStore

__all__ = ["IngestLedger", "IngestResult", "IngestedFile", "ingest", "read_files"]

PROPERTY = "tidewheel.ingest."
"""Before the digest of a file: the property of the snapshot that brought its rows; the value is the file's name."""

RUN_PROPERTY = "tidewheel.run"
"""The property of a snapshot that names the run which made it."""

_ATTEMPTS = 10


class IngestedFile(Record, frozen=True, kw_only=True):
    """That the rows of a file are in a table.

    Attributes:
        table: the table's name.
        table_uuid: its identity; a table made anew under the same name knows no file yet.
        content_digest: of the file's bytes, as they lay on disk.
        path: where it was read.
        snapshot_id: the snapshot that brought its rows.
        run_id: the run that added it; empty when that is not known.
        recorded_at: wall clock.
    """

    table: str
    table_uuid: str
    content_digest: str
    path: str
    snapshot_id: int
    run_id: str
    recorded_at: datetime


class IngestLedger(Protocol):
    """Remembers ingested files for longer than snapshots are kept."""

    def has(self, table_uuid: str, content_digest: str) -> bool:
        """Whether a file of this content is in the table."""

    def record(self, file: IngestedFile) -> None:
        """Keeps the fact; the same one twice is kept once."""


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
    ledger: IngestLedger | None = None,
    nulls: Sequence[str] = NULLS,
) -> IngestResult:
    """Adds the rows of those files that a table does not have yet, in one commit: all of them or none.

    Args:
        store: where the table is.
        table: its name; made from the files when it does not exist.
        files: see `read_files` for the kinds.
        run_id: kept with the snapshot.
        ledger: remembers files when their snapshots have expired; without it the snapshots alone are asked.
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
        fresh = _fresh(store, table, given, ledger)
        try:
            return _add(store, table, given, fresh, run_id, ledger, nulls)
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
    ledger: IngestLedger | None,
    nulls: Sequence[str],
) -> IngestResult:
    skipped = tuple(file.path for file in given if not any(file is one for one in fresh))
    if not fresh:
        return IngestResult(snapshot=store.snapshot(table), rows=0, files_added=(), files_skipped=skipped)
    rows = 0

    def tables(schema: pa.Schema | None) -> Iterator[pa.Table]:
        nonlocal rows
        for file in fresh:
            data = read_file(Path(file.path), schema=schema, nulls=nulls)
            rows += data.num_rows
            yield data

    properties = {f"{PROPERTY}{file.digest}": Path(file.path).name for file in fresh}
    unless = tuple(properties)
    if run_id:
        properties[RUN_PROPERTY] = run_id
    if not store.exists(table):
        schemas = {file.path: data.schema for file, data in zip(fresh, tables(None), strict=True)}
        rows = 0
        store.create(table, unified_schema(schemas))
    snapshot = store.append(table, tables(store.schema(table)), properties=properties, unless=unless)
    _record(ledger, fresh, snapshot, run_id)
    return IngestResult(
        snapshot=snapshot, rows=rows, files_added=tuple(file.path for file in fresh), files_skipped=skipped
    )


def _fresh(
    store: PyIcebergTableStore, table: str, given: Sequence[_Pending], ledger: IngestLedger | None
) -> list[_Pending]:
    """The files whose content the table does not have; what a crash left unrecorded is recorded."""
    try:
        uuid = store.info(table).table_uuid
    except NotFoundError:
        uuid = ""
    fresh: dict[str, _Pending] = {}
    for file in given:
        if file.digest in fresh or (uuid and ledger is not None and ledger.has(uuid, file.digest)):
            continue
        key = f"{PROPERTY}{file.digest}"
        found = store.find_by_property(table, key) if uuid else None
        if found is None:
            fresh[file.digest] = file
        elif ledger is not None:
            run_id = store.properties(table, found.snapshot_id).get(RUN_PROPERTY, "")
            _record(ledger, [file], found, run_id)
    return list(fresh.values())


def _record(ledger: IngestLedger | None, files: Sequence[_Pending], snapshot: Snapshot, run_id: str) -> None:
    for file in files if ledger is not None else ():
        assert ledger is not None
        ledger.record(
            IngestedFile(
                table=snapshot.table,
                table_uuid=snapshot.table_uuid,
                content_digest=file.digest,
                path=file.path,
                snapshot_id=snapshot.snapshot_id,
                run_id=run_id,
                recorded_at=utc_now(),
            )
        )


def _digest(path: Path) -> str:
    try:
        return digest_file("ingested file", path)
    except OSError as error:
        raise UnreadableFileError(f"{path}: {error.strerror or error}", next_step="check the path") from None
