"""Rows come back from quarantine: held against the contract of today, and published if they keep it."""

from __future__ import annotations

from collections.abc import Sequence

from tidewheel.core.errors import ConflictError, NotFoundError
from tidewheel.core.records import ContractReport, Record, Snapshot
from tidewheel.metadata_store import IngestStore
from tidewheel.steps.audited_publish import AuditedPublish, Batch
from tidewheel.steps.data_ingestion import books, record_quarantined
from tidewheel.steps.ingest_properties import INGEST_ID, RELEASED, RUN
from tidewheel.steps.quarantine import CONTENT, FACTS, ORIGIN, ROW, Origin, Quarantine, QuarantinedBatch
from tidewheel.table_store import PyIcebergTableStore
from tidewheel.table_store.arrow_types import conform


class ReleaseResult(Record, frozen=True, kw_only=True):
    """What became of the rows of one ingest that were in quarantine.

    Attributes:
        table: whose rows.
        ingest_id: of the ingest that brought them to quarantine.
        released: rows that are in the table now.
        kept: rows that break the contract of today; they stay, under `kept_as`, with their reasons of today.
        kept_as: the ingest id by which they are known now; empty when none is left.
        snapshot: of the table.
        report: what the audit found.
    """

    table: str
    ingest_id: str
    released: int
    kept: int
    kept_as: str
    snapshot: Snapshot
    report: ContractReport


def release(
    store: PyIcebergTableStore,
    table: str,
    audit: AuditedPublish,
    *,
    ingest_id: str | None = None,
    run_id: str = "",
    ingests: IngestStore | None = None,
) -> list[ReleaseResult]:
    """Publishes the rows in quarantine that keep the contract as it is now; each ingest's rows are one commit.

    Args:
        store: where the table is.
        table: its name.
        audit: holds them against the contract.
        ingest_id: only the rows of this ingest; by default of all.
        run_id: kept with the snapshot.
        ingests: the books.

    Raises:
        NotFoundError: nothing of this ingest is in quarantine.
        ConflictError: that ingest was interrupted before its good rows were published.
        ContractBrokenError: a rule that stops is broken; nothing of that ingest was released.
    """
    store.staging.sweep(table)
    quarantine = Quarantine(store, table, books(store, table, ingests))
    results = []
    for batch in chosen(quarantine.batches(), table, ingest_id):
        if batch.status == "unfinished":
            raise ConflictError(
                f"ingest {batch.ingest_id} of table {table!r} was interrupted: its good rows are not published",
                next_step=f"ingest its files again first: {', '.join(batch.files)}",
            )
        results.append(_release(store, quarantine, batch, audit, run_id, ingests))
    quarantine.sweep()
    return results


def chosen(batches: Sequence[QuarantinedBatch], table: str, ingest_id: str | None) -> Sequence[QuarantinedBatch]:
    """The batches of an ingest, or all.

    Raises:
        NotFoundError: that ingest has nothing in quarantine.
    """
    found = [batch for batch in batches if ingest_id in (None, batch.ingest_id)]
    if ingest_id is not None and not found:
        known = [batch.ingest_id for batch in batches]
        raise NotFoundError("ingest", ingest_id, known=known, where=f"quarantine of table {table!r}")
    return found


def _release(
    store: PyIcebergTableStore,
    quarantine: Quarantine,
    quarantined: QuarantinedBatch,
    audit: AuditedPublish,
    run_id: str,
    ingests: IngestStore | None,
) -> ReleaseResult:
    table, key = quarantined.table, f"{RELEASED}{quarantined.ingest_id}"
    rows = quarantine.rows([quarantined.ingest_id])
    facts = {name: rows[name].to_pylist() for name in (ORIGIN, CONTENT, ROW)}
    schema = store.schema(table)
    own = rows.select([name for name in rows.column_names if name in schema.names and name not in FACTS.names])
    properties = {RUN: run_id} if run_id else {}
    published = audit.publish(
        Batch(
            table=table,
            tables=[conform(own, schema, where=f"quarantine of table {table!r}", fills_missing=True)],
            locate=lambda _, row: (Origin(facts[ORIGIN][row], facts[CONTENT][row]), facts[ROW][row]),
            properties=lambda good: {**properties, key: str(sum(good))},
            unless=[key],
            is_from_quarantine=True,
        )
    )
    record_quarantined(ingests, published.snapshot, key, run_id)
    if published.report.quarantined:
        record_quarantined(ingests, published.snapshot, f"{INGEST_ID}={published.ingest_id}", run_id)
    quarantine.remove([quarantined.ingest_id])
    return ReleaseResult(
        table=table,
        ingest_id=quarantined.ingest_id,
        released=published.report.published,
        kept=published.report.quarantined,
        kept_as=published.ingest_id if published.report.quarantined else "",
        snapshot=published.snapshot,
        report=published.report,
    )
