"""Reads one snapshot: what a step is handed for a table. Opens no catalog; loads engines when they are needed."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any

from tidewheel.core.digest import digest_file
from tidewheel.core.errors import (
    ArtifactCorruptError,
    ArtifactMissingError,
    ParameterError,
    SchemaMismatchError,
    suggest,
)
from tidewheel.core.records import Snapshot
from tidewheel.table_store.table_reference import TableReference

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

NAME = "this"
"""What the table is called in `TableReader.sql`."""


class TableReader:
    """The rows of one snapshot.

    Args:
        reference: the snapshot, as `PyIcebergTableStore.reference` gives it.
        threads: how many the engines may use; all cores by default. With 1 every result is the same to the last bit.

    Example:
        >>> import tempfile, pathlib, pyarrow
        >>> from tidewheel.table_store import PyIcebergTableStore
        >>> store = PyIcebergTableStore.open(pathlib.Path(tempfile.mkdtemp()))
        >>> rows = pyarrow.table({"carrier": ["UA", "AA", "UA"], "delay": [2, -11, 40]})
        >>> reader = TableReader(store.reference(store.create("flights", rows)))
        >>> reader.to_arrow(["delay"], filter="carrier = 'UA'").to_pylist()
        [{'delay': 2}, {'delay': 40}]
        >>> reader.sql("select carrier, max(delay) late from this group by all order by all").to_pylist()
        [{'carrier': 'AA', 'late': -11}, {'carrier': 'UA', 'late': 40}]
    """

    def __init__(self, reference: TableReference, *, threads: int | None = None) -> None:
        self.reference = reference
        self._threads = threads

    def __repr__(self) -> str:
        snapshot = self.snapshot
        return f"TableReader({snapshot.table!r}, snapshot {snapshot.snapshot_id}, {snapshot.row_count} rows)"

    @property
    def snapshot(self) -> Snapshot:
        """Which version of which table this is."""
        return self.reference.snapshot

    @property
    def row_count(self) -> int:
        """Live rows."""
        return self.reference.snapshot.row_count

    @cached_property
    def schema(self) -> pa.Schema:
        """The columns and their Arrow types."""
        return import_module("pyarrow.ipc").read_schema(import_module("pyarrow").py_buffer(self.reference.schema))

    def to_arrow(
        self,
        columns: Sequence[str] | None = None,
        *,
        filter: str | None = None,  # noqa: A002
        limit: int | None = None,
    ) -> pa.Table:
        """The rows, in the order of ingestion.

        Args:
            columns: which, in this order; all by default. Others are not read.
            filter: a condition in SQL, such as `month <= 3 and carrier = 'UA'`.
            limit: at most so many of the first rows.

        Raises:
            SchemaMismatchError: a column does not exist.
            ParameterError: the condition is no SQL, or the limit is negative.
            ArtifactMissingError, ArtifactCorruptError: a data file is gone or damaged.
        """
        names = self._checked(columns)
        if limit is not None and limit < 0:
            raise ParameterError(f"limit is {limit}", next_step="give a number of rows, 0 or more")
        if filter is not None:
            return self._cast(self.sql(self._query(names, filter, limit)), names)
        if self.reference.is_direct:
            return self._read_parquet(names, limit)
        rows = import_module("tidewheel.table_store.pyiceberg_scan").scan_snapshot(self.reference, names)
        return self._cast(rows.slice(0, limit), names)

    def to_pandas(
        self,
        columns: Sequence[str] | None = None,
        *,
        filter: str | None = None,  # noqa: A002
        limit: int | None = None,
    ) -> pd.DataFrame:
        """As `to_arrow`, as a data frame."""
        frame: pd.DataFrame = self.to_arrow(columns, filter=filter, limit=limit).to_pandas()
        return frame

    def batches(
        self,
        columns: Sequence[str] | None = None,
        *,
        filter: str | None = None,  # noqa: A002
        batch_rows: int = 65_536,
    ) -> Iterator[pa.RecordBatch]:
        """As `to_arrow`, in pieces of at most `batch_rows` rows; the memory for a direct snapshot is bounded."""
        names = self._checked(columns)
        engine = import_module("tidewheel.table_store.duckdb_engine")
        query = self._query(names, filter, None)
        for batch in engine.stream_sql(query, {NAME: self.reference}, threads=self._threads, batch_rows=batch_rows):
            yield from self._cast(import_module("pyarrow").Table.from_batches([batch]), names).to_batches(batch_rows)

    def encoded_batches(self, columns: Sequence[str] | None = None, *, first_row: int = 0) -> Iterator[pa.RecordBatch]:
        """As `batches`, texts as dictionaries where files have them: the quick way to look at all rows once.

        Args:
            columns: which; all by default.
            first_row: rows before this one, counted from 0 in the order of ingestion, are left out.
        """
        names = self._checked(columns)
        if self.reference.is_direct and names:
            stream = import_module("tidewheel.table_store.parquet_batches").encoded_batches
            yield from stream(self.reference, names, threads=self._threads, first_row=first_row)
            return
        for batch in self.batches(names):
            passed = min(first_row, batch.num_rows)
            first_row -= passed
            if passed < batch.num_rows:
                yield batch.slice(passed)

    def sql(self, query: str, parameters: Mapping[str, Any] | Sequence[Any] | None = None) -> pa.Table:
        """The result of a query over this table, which is called `this`; see `run_sql` for its errors."""
        engine = import_module("tidewheel.table_store.duckdb_engine")
        result: pa.Table = engine.run_sql(query, {NAME: self.reference}, parameters=parameters, threads=self._threads)
        return result

    def verify(self) -> None:
        """Hashes every data file and compares it with the digest that it had when the snapshot was made.

        Raises:
            ArtifactMissingError: a file is gone.
            ArtifactCorruptError: a file has other bytes.
        """
        for file in self.reference.files:
            if "://" in file.path:
                continue
            self._check_exists(file.path)
            if digest_file("table file", file.path) != file.digest:
                raise ArtifactCorruptError(
                    f"data file {file.path} was altered", where=self._where, next_step="restore it from a copy"
                )

    @property
    def _where(self) -> str:
        return f"table {self.snapshot.table!r}, snapshot {self.snapshot.snapshot_id}"

    def _checked(self, columns: Sequence[str] | None) -> list[str]:
        names = list(self.schema.names if columns is None else columns)
        unknown = [name for name in names if name not in self.schema.names]
        if unknown:
            raise SchemaMismatchError(
                f"columns do not exist: {', '.join(map(repr, unknown))}",
                where=self._where,
                next_step=suggest(unknown[0], self.schema.names, "column"),
            )
        return names

    def _query(self, names: Sequence[str], condition: str | None, limit: int | None) -> str:
        listed = ", ".join('"' + name.replace('"', '""') + '"' for name in names)
        # The line break ends a comment that the condition may close with.
        where = f" where ({condition}\n)" if condition is not None else ""
        return f"select {listed} from {NAME}{where}" + (f" limit {limit}" if limit is not None else "")

    def _cast(self, rows: pa.Table, names: Sequence[str]) -> pa.Table:
        schema = import_module("pyarrow").schema([self.schema.field(name) for name in names])
        return rows.select(names).cast(schema)

    def _read_parquet(self, names: list[str], limit: int | None) -> pa.Table:
        if not self.reference.files:
            return self._cast(self.schema.empty_table(), names)
        arrow, dataset = import_module("pyarrow"), import_module("pyarrow.dataset")
        paths = [file.path for file in self.reference.files]
        use_threads = self._threads != 1
        try:
            rows = dataset.dataset(paths, schema=self.schema, format="parquet")
            if limit is not None:
                return self._cast(rows.head(limit, columns=names, use_threads=use_threads), names)
            return self._cast(rows.to_table(columns=names, use_threads=use_threads), names)
        except (OSError, arrow.ArrowInvalid) as error:
            for path in paths:
                self._check_exists(path)
            raise ArtifactCorruptError(
                f"a data file cannot be read: {error}", where=self._where, next_step="restore it from a copy"
            ) from error

    def _check_exists(self, path: str) -> None:
        if not os.path.exists(path):
            raise ArtifactMissingError(
                f"data file {path} is missing", where=self._where, next_step="restore it, or read another snapshot"
            )
