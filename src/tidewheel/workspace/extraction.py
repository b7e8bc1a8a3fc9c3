"""Results of queries, from any engine: at once, as a stream, or as a snapshot of a table of the workspace."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tidewheel.core.errors import ConflictError, ParameterError
from tidewheel.workspace.cause import request_event
from tidewheel.workspace.contracts import Contracts
from tidewheel.workspace.data import check_name, references_of
from tidewheel.workspace.engines import find_engine, is_default, resolve_engine
from tidewheel.workspace.operation import Operation, record_operation
from tidewheel.workspace.snapshot_artifact import snapshot_artifact
from tidewheel.workspace.stores import Stores

if TYPE_CHECKING:
    import pyarrow as pa

    from tidewheel.core.records import Snapshot


@contextmanager
def stream_query(
    stores: Stores,
    query: str,
    parameters: Mapping[str, Any] | None = None,
    *,
    engine: str | None = None,
    snapshots: Mapping[str, int] | None = None,
) -> Iterator[pa.RecordBatchReader]:
    """The result of a query as a stream of batches, to be read inside the block.

    Args:
        engine: the name of one that the project declares; DuckDB on the workspace's tables by default.
        snapshots: other snapshots than the current ones, by table; for the default engine.

    Raises:
        NotFoundError: the engine, a table or a snapshot does not exist.
        ParameterError: the text is no query, or does not read a table of `snapshots`.
        EngineError: the engine cannot be reached, refuses, or broke off.
    """
    if not is_default(engine):
        assert engine is not None
        if snapshots:
            raise ParameterError(
                f"snapshots are named for tables of the workspace, and engine {engine!r} has its own",
                next_step="say it in the query, such as `from lake.flights at snapshot '...'`",
            )
        with find_engine(stores.config, engine).stream(query, parameters) as reader:
            yield reader
        return
    from tidewheel.table_store.duckdb_snapshot_engine import DuckdbSnapshotEngine

    with DuckdbSnapshotEngine(references_of(stores, query, snapshots)).stream(query, parameters) as reader:
        yield reader


def extract_into(
    stores: Stores,
    contracts: Contracts,
    table: str,
    query: str,
    parameters: Mapping[str, Any] | None = None,
    *,
    engine: str | None = None,
) -> Snapshot:
    """Makes the result of a query the rows of a table, in one commit and with bounded memory; recorded as `extract`.

    The snapshot stays when the engine's tables change, so that what is trained on it can be trained again.

    Raises:
        ConflictError: the table has a contract, which rows of a query would get around.
        NotFoundError, ParameterError, EngineError, SchemaMismatchError: see `stream_query`; nothing was changed.
    """
    check_name(table)
    if contracts.find(table) is not None:
        raise ConflictError(
            f"table {table!r} has a contract, and rows of a query would not be held against it",
            next_step="write them into another table, or a file and `tidewheel ingest` it",
        )
    arguments = {"table": table, "query": query, "engine": engine or "", "parameters": dict(parameters or {})}
    event = request_event(stores, "extract", arguments)
    with record_operation(stores, "extract", arguments, event) as operation:
        read: dict[str, int] = {}
        if not is_default(engine):
            assert engine is not None
            operation.inputs["engine"] = resolve_engine(stores.config, engine).artifact
        else:
            read = _record_read(stores, query, operation)
        with stream_query(stores, query, parameters, engine=engine, snapshots=read) as reader:
            if not stores.tables.exists(table):
                stores.tables.create(table, reader.schema)
            snapshot = stores.tables.overwrite(table, reader, properties={"tidewheel.run": operation.run.id})
        stores.snapshots.put(snapshot)
        operation.outputs["snapshot"] = snapshot_artifact(snapshot)
        operation.metrics = {"rows": snapshot.row_count}
    return snapshot


def _record_read(stores: Stores, query: str, operation: Operation) -> dict[str, int]:
    """The snapshots that a query reads, on record before it does."""
    from tidewheel.table_store import tables_in

    found = {name: stores.tables.snapshot(name) for name in sorted(tables_in(query))}
    for snapshot in found.values():
        stores.snapshots.put(snapshot)
    operation.inputs = {name: snapshot_artifact(snapshot) for name, snapshot in found.items()}
    return {name: snapshot.snapshot_id for name, snapshot in found.items()}
