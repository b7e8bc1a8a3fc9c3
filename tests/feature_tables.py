"""Snapshots of Parquet files that a test writes itself, without a catalog."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tidewheel.core.records import Snapshot
from tidewheel.table_store import TableFile, TableReference


class GrowingTable:
    """A table to which files are added; each call gives the reference to a new snapshot with all files so far."""

    def __init__(self, folder: Path, name: str = "values") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._name = name
        self._files: list[TableFile] = []
        self._rows = 0
        self._numbers = itertools.count(1)

    def __call__(self, *tables: pa.Table) -> TableReference:
        for table in tables:
            path = self._folder / f"{len(self._files)}.parquet"
            pq.write_table(table, path)
            size = path.stat().st_size
            file = TableFile(path=str(path), digest=path.name, row_count=table.num_rows, size_bytes=size)
            self._files.append(file)
            self._rows += table.num_rows
        number = next(self._numbers)
        snapshot = Snapshot(
            table=self._name,
            table_uuid="uuid",
            snapshot_id=number,
            digest=f"digest {self._folder} {number}",
            row_count=self._rows,
            file_count=len(self._files),
            committed_at=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=number),
        )
        return TableReference(
            snapshot=snapshot,
            metadata_location="",
            schema=tables[0].schema.serialize().to_pybytes(),
            files=tuple(self._files),
            is_direct=True,
        )
