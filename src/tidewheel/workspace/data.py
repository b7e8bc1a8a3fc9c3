"""Tables of a workspace: ingest, list, query."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tidewheel.core.errors import ParameterError
from tidewheel.core.records import ContractReport, TableContract
from tidewheel.workspace.cause import request_event
from tidewheel.workspace.contracts import Contracts
from tidewheel.workspace.operation import Operation, record_operation
from tidewheel.workspace.published_profiles import PROFILE, PublishedProfiles
from tidewheel.workspace.quarantine import record_report
from tidewheel.workspace.snapshot_artifact import snapshot_artifact
from tidewheel.workspace.stores import Stores

if TYPE_CHECKING:
    from tidewheel.steps.audited_publish import AuditedPublish
    from tidewheel.steps.data_ingestion import IngestResult
    from tidewheel.table_store import TableReader, TableReference


def ingest_files(
    stores: Stores, contracts: Contracts, table: str, files: Sequence[str | Path] | str | Path
) -> IngestResult:
    """Adds the rows of files to a table, each file's content once; recorded as an operation of its own.

    Where the project declares a contract for the table, readers see only rows that were held against it.

    Raises:
        ContractBrokenError: columns or rows break the contract in a way that stops; nothing was added.
        UnreadableFileError, SchemaMismatchError: a file is not what it should be; nothing was added.
        ParameterError: something else than files is given.
    """
    from tidewheel.steps.data_ingestion import ingest

    check_name(table)
    files = _paths(files)
    contract = contracts.find(table)
    parameters = {"table": table, "files": [str(file) for file in files]}
    if contract is not None:
        parameters["contract"] = contract.digest
    event = request_event(stores, "ingest", parameters)
    with record_operation(stores, "ingest", parameters, event) as operation:
        audit = _audit(stores, contracts, contract, operation) if contract is not None else None
        result = ingest(stores.tables, table, list(files), run_id=operation.run.id, ingests=stores.ingests, audit=audit)
        stores.snapshots.put(result.snapshot)
        operation.outputs["snapshot"] = snapshot_artifact(result.snapshot)
        operation.metrics = {**operation.metrics, "rows": result.rows, "files_skipped": len(result.files_skipped)}
    return result


def _paths(files: Any) -> list[str | Path]:
    """One file is a list of one.

    Example:
        >>> _paths("flights.csv")
        ['flights.csv']
    """
    listed: list[Any] = list(files) if isinstance(files, (list, tuple, set, Iterator)) else [files]
    for one in listed:
        if not isinstance(one, (str, Path)):
            raise ParameterError(
                f"files are ingested, and {type(one).__name__} is none",
                next_step='write the rows to a file first, such as rows.to_parquet("rows.parquet"), and name that',
            )
    return listed


def _audit(stores: Stores, contracts: Contracts, contract: TableContract, operation: Operation) -> AuditedPublish:
    from tidewheel.steps.profile_audit import ProfileAudit

    profile = ProfileAudit(PublishedProfiles(stores, operation).before)

    def record(report: ContractReport) -> None:
        record_report(stores, operation, report)
        if profile.profile is not None:
            operation.outputs[PROFILE] = stores.artifacts.put(profile.profile)
            operation.metrics["moved"] = sum(one.rule == f"{one.column}.profile" for one in report.findings)

    return contracts.audit(contract, record, profile)


def check_name(table: str) -> None:
    """Refuses the names of the tables that hold rows which broke a contract.

    Raises:
        ParameterError: it is such a name.
    """
    if table.casefold().startswith("quarantine."):
        raise ParameterError(
            f"{table!r} is a quarantine, to which only rows come that broke a contract",
            next_step=f"name table {table.partition('.')[2]!r}, or another one",
        )


def references_of(stores: Stores, text: str, snapshots: Mapping[str, int] | None) -> dict[str, TableReference]:
    """The snapshots of the tables that a query names: the current ones, where `snapshots` names no other.

    Raises:
        NotFoundError: a table or snapshot does not exist.
        ParameterError: the text is no query, or does not read a table of `snapshots`.
    """
    from tidewheel.table_store import tables_in

    named, read = dict(snapshots or {}), sorted(tables_in(text))
    if unread := sorted(set(named) - set(read)):
        raise ParameterError(f"the query does not read table {unread[0]!r}, of which a snapshot is named")
    return {name: stores.tables.reference(stores.tables.snapshot(name, id=named.get(name))) for name in read}


def read_table(stores: Stores, name: str, *, as_of: str | None = None, snapshot: int | None = None) -> TableReader:
    """A snapshot of a table, which loads rows when asked for them.

    Raises:
        NotFoundError: there is no such table, or it had no snapshot then.
    """
    from tidewheel.core.clock import parse_time
    from tidewheel.table_store import TableReader

    found = stores.tables.snapshot(name, id=snapshot, as_of=parse_time(as_of) if as_of else None)
    return TableReader(stores.tables.reference(found))
