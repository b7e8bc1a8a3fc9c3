"""Data ingestion: files become rows of a table, each file once.

A file is known by the digest of its bytes, which is kept with the very snapshot that its rows arrive in. So the same
content adds nothing a second time, under whatever name; two processes that ingest one file at once add it once; and
after a crash between the commit and the bookkeeping the next run finds the commit and only does the bookkeeping.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from tidewheel.core.clock import utc_now
from tidewheel.core.digest import digest_file
from tidewheel.core.errors import ConflictError, NotFoundError, UnreadableFileError
from tidewheel.core.records import ContractReport, Record, Snapshot
from tidewheel.metadata_store import Ingest, IngestStore
from tidewheel.steps.audited_batch import AuditOfFiles, IngestedFile
from tidewheel.steps.audited_publish import AuditedPublish
from tidewheel.steps.data_files import NULLS, read_file, read_files, unified_schema
from tidewheel.steps.ingest_properties import FILE, INGEST_ID, RUN, content_key
from tidewheel.steps.quarantine import Quarantine
from tidewheel.table_store import PyIcebergTableStore

__all__ = ["IngestResult", "ingest", "read_files"]

_ATTEMPTS = 10


class IngestResult(Record, frozen=True, kw_only=True):
    """What an ingest did.

    Attributes:
        snapshot: the table afterwards: the snapshot that it made, or the current one when nothing was new.
        rows: how many were added.
        files_added: paths whose rows were added, in the order given.
        files_skipped: paths whose content the table had, or that repeat another of the same call.
        quarantined: how many rows went to the table's quarantine instead.
        report: what the audit against the table's contract found; None without a contract.
    """

    snapshot: Snapshot
    rows: int
    files_added: tuple[str, ...]
    files_skipped: tuple[str, ...]
    quarantined: int = 0
    report: ContractReport | None = None


def ingest(
    store: PyIcebergTableStore,
    table: str,
    files: Sequence[Path | str],
    *,
    run_id: str = "",
    ingests: IngestStore | None = None,
    nulls: Sequence[str] = NULLS,
    audit: AuditedPublish | None = None,
) -> IngestResult:
    """Adds the rows of those files that a table does not have yet, in one commit: all of them or none.

    Args:
        store: where the table is.
        table: its name; made from the files when it does not exist.
        files: see `read_files` for the kinds.
        run_id: kept with the snapshot.
        ingests: remembers files when their snapshots have expired; without it the snapshots alone are asked.
        nulls: the texts of a CSV file that mean "no value".
        audit: holds the rows against the table's contract before any reader sees one; what breaks it goes to the
            table's quarantine or stops the ingest.

    Raises:
        ContractBrokenError: the columns or rows break the contract in a way that stops; nothing was added.
        UnreadableFileError, SchemaMismatchError: see `read_files`; nothing was added, from any file.
        ConflictError: other writers were first again and again.
        StorageError: the disk or the catalog refused.
    """
    given = [IngestedFile(path=str(path), digest=_digest(Path(path))) for path in files]
    if not given:
        raise UnreadableFileError("no files are given", next_step="name at least one file")
    for attempt in range(_ATTEMPTS):
        fresh = _fresh(store, table, given, ingests)
        try:
            if audit is not None:
                if store.exists(table):
                    store.staging.sweep(table)
                return _add_audited(store, table, given, fresh, run_id, ingests, nulls, audit)
            return _add(store, table, given, fresh, run_id, ingests, nulls)
        except (ConflictError, NotFoundError):
            # Another process made the table, or took it away since its own first rows were refused, or added one of the
            # files: look again what is left.
            if attempt == _ATTEMPTS - 1:
                raise
    raise AssertionError("unreachable")


def _add(
    store: PyIcebergTableStore,
    table: str,
    given: Sequence[IngestedFile],
    fresh: Sequence[IngestedFile],
    run_id: str,
    ingests: IngestStore | None,
    nulls: Sequence[str],
) -> IngestResult:
    if not fresh:
        return _nothing_new(store, table, given)
    rows: dict[str, int] = {}

    def tables(schema: pa.Schema | None) -> Iterator[pa.Table]:
        for file in fresh:
            data = read_file(Path(file.path), schema=schema, nulls=nulls)
            rows[file.digest] = data.num_rows
            properties[f"{FILE}{file.digest}"] = f"{data.num_rows} {file.name}"
            yield data

    properties = {RUN: run_id} if run_id else {}
    unless = [f"{FILE}{file.digest}" for file in fresh]
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
        files_skipped=_skipped(given, fresh),
    )


def _add_audited(
    store: PyIcebergTableStore,
    table: str,
    given: Sequence[IngestedFile],
    fresh: Sequence[IngestedFile],
    run_id: str,
    ingests: IngestStore | None,
    nulls: Sequence[str],
    audit: AuditedPublish,
) -> IngestResult:
    quarantine = Quarantine(store, table, books(store, table, ingests))
    if not fresh:
        quarantine.sweep()
        return _nothing_new(store, table, given)
    published = audit.publish(AuditOfFiles(store, table, fresh, run_id, tuple(nulls)).prepare(audit))
    for file, rows in zip(fresh, published.good_counts, strict=True):
        _record(ingests, file, published.snapshot, run_id, rows)
    if published.report.quarantined:
        record_quarantined(ingests, published.snapshot, f"{INGEST_ID}={published.ingest_id}", run_id)
    quarantine.sweep()
    return IngestResult(
        snapshot=published.snapshot,
        rows=published.report.published,
        files_added=tuple(file.path for file in fresh),
        files_skipped=_skipped(given, fresh),
        quarantined=published.report.quarantined,
        report=published.report,
    )


def books(store: PyIcebergTableStore, table: str, ingests: IngestStore | None) -> Callable[[str], bool]:
    """Whether the books know a property of the table's snapshots, which may have expired since."""
    if ingests is None or not store.exists(table):
        return lambda key: False
    uuid = store.info(table).table_uuid
    return lambda key: ingests.find(table, content_key(uuid, key.removeprefix(FILE))) is not None


def record_quarantined(ingests: IngestStore | None, snapshot: Snapshot, key: str, run_id: str) -> None:
    """Writes into the books that a snapshot with this property was published."""
    _record(ingests, IngestedFile(path=key, digest=key), snapshot, run_id, 0)


def _nothing_new(store: PyIcebergTableStore, table: str, given: Sequence[IngestedFile]) -> IngestResult:
    skipped = tuple(file.path for file in given)
    return IngestResult(snapshot=store.snapshot(table), rows=0, files_added=(), files_skipped=skipped)


def _skipped(given: Sequence[IngestedFile], fresh: Sequence[IngestedFile]) -> tuple[str, ...]:
    return tuple(file.path for file in given if not any(file is one for one in fresh))


def _fresh(
    store: PyIcebergTableStore, table: str, given: Sequence[IngestedFile], ingests: IngestStore | None
) -> list[IngestedFile]:
    """The files whose content the table does not have; what a crash left unrecorded is recorded."""
    try:
        uuid = store.info(table).table_uuid
    except NotFoundError:
        uuid = ""
    fresh: dict[str, IngestedFile] = {}
    for file in given:
        if file.digest in fresh:
            continue
        if uuid and ingests is not None and ingests.find(table, content_key(uuid, file.digest)) is not None:
            continue
        key = f"{FILE}{file.digest}"
        found = store.find_by_property(table, key) if uuid else None
        if found is None:
            fresh[file.digest] = file
        else:
            properties = store.properties(table, found.snapshot_id)
            rows = int(properties[key].partition(" ")[0])
            _record(ingests, file, found, properties.get(RUN, ""), rows)
    return list(fresh.values())


def _record(ingests: IngestStore | None, file: IngestedFile, snapshot: Snapshot, run_id: str, rows: int) -> None:
    if ingests is None:
        return
    ingests.put(
        Ingest(
            table=snapshot.table,
            content_digest=content_key(snapshot.table_uuid, file.digest),
            file=file.name,
            snapshot_id=snapshot.snapshot_id,
            run_id=run_id,
            row_count=rows,
            recorded_at=utc_now(),
        )
    )


def _digest(path: Path) -> str:
    try:
        return digest_file("ingested file", path)
    except OSError as error:
        raise UnreadableFileError(f"{path}: {error.strerror or error}", next_step="check the path") from None
