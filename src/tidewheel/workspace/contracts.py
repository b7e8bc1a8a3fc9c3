"""The contracts that a project declares: which there are, whether a table keeps its own, a first draft of one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from tidewheel.core.errors import NotFoundError, ParameterError, StorageError
from tidewheel.core.records import ContractReport, TableContract
from tidewheel.workspace.project import Project
from tidewheel.workspace.slow_checks import ask_slow_checks
from tidewheel.workspace.stores import Stores
from tidewheel.workspace.warm_server import WORKER_MODULE

if TYPE_CHECKING:
    import pyarrow as pa

    from tidewheel.steps.audited_publish import AuditedPublish
    from tidewheel.steps.profile_audit import ProfileAudit
    from tidewheel.table_store import TableReference


class Contracts:
    """Contracts of a workspace.

    Args:
        stores: the workspace's stores.
        project: declares the contracts.
    """

    def __init__(self, stores: Stores, project: Project) -> None:
        self._stores = stores
        self._project = project

    def list(self) -> tuple[TableContract, ...]:
        """All contracts, by table.

        Raises:
            DefinitionError: the project cannot be imported, or a contract is declared wrongly.
        """
        if not self._stores.config.project.modules:
            return ()
        return tuple(contract for _, contract in sorted(self._project.declared().contracts.items()))

    def find(self, table: str) -> TableContract | None:
        """The contract of a table, if one is declared."""
        return next((contract for contract in self.list() if contract.table == table), None)

    def get(self, table: str) -> TableContract:
        """The contract of a table.

        Raises:
            NotFoundError: none is declared.
        """
        known = {contract.table: contract for contract in self.list()}
        if table not in known:
            step = f"draft one with `tidewheel contract infer {table} --to FILE`"
            raise NotFoundError("contract", table, known=known, next_step="" if known else step)
        return known[table]

    def check(self, table: str, *, snapshot: int | None = None) -> ContractReport:
        """Holds a snapshot of a table, by default the current one, against the contract of today; changes nothing.

        Raises:
            NotFoundError: there is no such table, snapshot or contract.
        """
        from tidewheel.table_store.duckdb_contract import open_audit

        contract = self.get(table)
        rows = self._stores.tables.reference(self._stores.tables.snapshot(table, id=snapshot))
        slow = self._slow(contract, rows) if any(rule.is_slow for rule in contract.rules) else None
        with open_audit(contract, rows, at=self._stores.clock.now(), slow=slow) as audit:
            findings = audit.check()
            return ContractReport(
                table=table,
                contract_digest=contract.digest,
                rows=audit.row_count,
                rules=len(contract.rules),
                findings=tuple(findings),
            )

    def infer(self, table: str, *, to: Path | str | None = None) -> str:
        """A contract that the table keeps as it is, as Python to be edited.

        Args:
            table: its name.
            to: a new file for it.

        Raises:
            NotFoundError: there is no such table.
            ParameterError: the file exists.
            StorageError: the file cannot be written.
        """
        from tidewheel.steps.contract_inference import infer_contract

        to = None if to is None else Path(to)
        if to is not None and to.exists():
            raise ParameterError(f"{to} exists", next_step="name a new file; what a person edited is not overwritten")
        reader = self._stores.tables.read(self._stores.tables.snapshot(table))
        text = infer_contract(reader, self._stores.clock.now())
        if to is not None:
            try:
                to.write_text(text, encoding="utf-8")
            except OSError as error:
                told = f"the draft cannot be written: {error.strerror}"
                raise StorageError(told, where=str(to), next_step="name a file in a folder that exists") from error
        return text

    def audit(
        self,
        contract: TableContract,
        listener: Callable[[ContractReport], None] = lambda report: None,
        profile: ProfileAudit | None = None,
    ) -> AuditedPublish:
        """Publishes rows of a table with a contract; see there."""
        from tidewheel.steps.audited_publish import AuditedPublish

        return AuditedPublish(
            self._stores.tables,
            contract,
            at=self._stores.clock.now(),
            slow=self._slow,
            profile=profile,
            listener=listener,
        )

    def none_for(self, table: str) -> TableContract:
        """What holds for a table without a contract: nothing."""
        empty = TableContract(table=table)
        return msgspec.structs.replace(empty, digest="none")

    def _slow(self, contract: TableContract, rows: TableReference) -> pa.Table:
        roots = self._project.capture().import_roots
        return ask_slow_checks(WORKER_MODULE, roots, contract, rows)
