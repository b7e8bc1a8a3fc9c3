"""Rows in quarantine: look at them, let them into the table, or drop them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tidewheel.core.records import ContractReport
from tidewheel.workspace.cause import request_event
from tidewheel.workspace.contracts import Contracts
from tidewheel.workspace.operation import Operation, record_operation
from tidewheel.workspace.snapshot_artifact import snapshot_artifact
from tidewheel.workspace.stores import Stores

if TYPE_CHECKING:
    import pyarrow as pa

    from tidewheel.steps.quarantine import Quarantine, QuarantinedBatch
    from tidewheel.steps.quarantine_release import ReleaseResult


class QuarantineDesk:
    """The quarantines of all tables.

    Args:
        stores: the workspace's stores.
        contracts: what released rows are held against.
    """

    def __init__(self, stores: Stores, contracts: Contracts) -> None:
        self._stores = stores
        self._contracts = contracts

    def list(self, table: str | None = None) -> Sequence[QuarantinedBatch]:
        """What is in quarantine, of one table when given, the oldest first."""
        infos = self._stores.tables.list()
        tables = [table] if table is not None else [one.name for one in infos if not one.name.startswith("quarantine.")]
        return [batch for one in tables for batch in self._of(one).batches()]

    def rows(self, table: str, ingest_id: str | None = None) -> pa.Table:
        """The rows in a table's quarantine, those of one ingest when given, with their reasons.

        Raises:
            NotFoundError: there is no such table, or nothing of this ingest.
        """
        from tidewheel.steps.quarantine_release import chosen

        quarantine = self._of(table)
        return quarantine.rows([batch.ingest_id for batch in chosen(quarantine.batches(), table, ingest_id)])

    def release(self, table: str, ingest_id: str | None = None) -> Sequence[ReleaseResult]:
        """Publishes the rows that keep the contract of today; the others stay, with their reasons of today.

        Raises:
            NotFoundError: there is no such table, or nothing of this ingest in quarantine.
            ContractBrokenError: a rule that stops is broken; nothing of that ingest was released.
        """
        from tidewheel.steps.quarantine_release import release

        self._stores.tables.snapshot(table)
        contract = self._contracts.find(table) or self._contracts.none_for(table)
        parameters = {"table": table, "ingest": ingest_id or "", "contract": contract.digest}
        event = request_event(self._stores, "release", parameters)
        with record_operation(self._stores, "release", parameters, event) as operation:
            audit = self._contracts.audit(contract, lambda report: record_report(self._stores, operation, report))
            results = release(
                self._stores.tables,
                table,
                audit,
                ingest_id=ingest_id,
                run_id=operation.run.id,
                ingests=self._stores.ingests,
            )
            if results:
                self._stores.snapshots.put(results[-1].snapshot)
                operation.outputs["snapshot"] = snapshot_artifact(results[-1].snapshot)
            operation.metrics = {
                "released": sum(one.released for one in results),
                "kept": sum(one.kept for one in results),
            }
        return results

    def drop(self, table: str, ingest_id: str | None = None) -> int:
        """Takes rows out of quarantine for good; returns how many.

        Raises:
            NotFoundError: there is no such table, or nothing of this ingest in quarantine.
        """
        from tidewheel.steps.quarantine_release import chosen

        quarantine = self._of(table)
        batches = chosen(quarantine.batches(), table, ingest_id)
        parameters = {"table": table, "ingests": [batch.ingest_id for batch in batches]}
        event = request_event(self._stores, "drop", parameters)
        with record_operation(self._stores, "drop", parameters, event) as operation:
            quarantine.remove([batch.ingest_id for batch in batches])
            operation.metrics = {"rows": sum(batch.rows for batch in batches)}
        return sum(batch.rows for batch in batches)

    def _of(self, table: str) -> Quarantine:
        from tidewheel.steps.data_ingestion import books
        from tidewheel.steps.quarantine import Quarantine

        self._stores.tables.snapshot(table)
        return Quarantine(self._stores.tables, table, books(self._stores.tables, table, self._stores.ingests))


def record_report(stores: Stores, operation: Operation, report: ContractReport) -> None:
    """Keeps what an audit found with the execution that it was a part of."""
    operation.outputs["audit"] = stores.artifacts.put(report.to_dict())
    operation.metrics = {
        "audited": report.rows,
        "published": report.published,
        "quarantined": report.quarantined,
        "clipped": report.clipped,
        "findings": len(report.findings),
    }
