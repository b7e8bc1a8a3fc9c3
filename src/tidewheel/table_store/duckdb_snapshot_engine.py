"""DuckDB as an SQL engine: one query over snapshots of the workspace; see `duckdb_engine` for what it can reach."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import chain

import pyarrow as pa

from tidewheel.core.config import DEFAULT_ENGINE
from tidewheel.table_store.duckdb_engine import run_sql, stream_sql
from tidewheel.table_store.protocol import Parameters
from tidewheel.table_store.table_reference import TableReference


class DuckdbSnapshotEngine:
    """See `SqlEngine` for what it promises.

    Args:
        references: the snapshots by the names that queries use.
        threads: how many DuckDB may use; all cores by default.
    """

    def __init__(self, references: Mapping[str, TableReference], *, threads: int | None = None) -> None:
        self._references = references
        self._threads = threads

    @property
    def name(self) -> str:
        """The default engine's name."""
        return DEFAULT_ENGINE

    @contextmanager
    def stream(self, query: str, parameters: Parameters = None) -> Iterator[pa.RecordBatchReader]:
        """The result of one `select`."""
        batches = stream_sql(query, self._references, parameters=parameters, threads=self._threads)
        try:
            first = next(batches, None)
            if first is None:
                yield pa.RecordBatchReader.from_batches(self._schema(query, parameters), [])
            else:
                yield pa.RecordBatchReader.from_batches(first.schema, chain([first], batches))
        finally:
            batches.close()

    def _schema(self, query: str, parameters: Parameters) -> pa.Schema:
        return run_sql(query, self._references, parameters=parameters, threads=self._threads).schema
