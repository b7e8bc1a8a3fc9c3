"""Tables as Parquet files that a test writes itself, and the join by brute force."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tidewheel.core.records import Snapshot
from tidewheel.table_store import TableFile, TableReference


@pytest.fixture
def make_reference(tmp_path):
    """Writes tables as the files of one snapshot, in this order."""
    numbers = itertools.count()

    def make(name, *tables, snapshot_id=1):
        files = []
        for table in tables:
            path = tmp_path / f"{next(numbers)}.parquet"
            pq.write_table(table, path)
            files.append(
                TableFile(path=str(path), digest=path.name, row_count=table.num_rows, size_bytes=path.stat().st_size)
            )
        return TableReference(
            snapshot=Snapshot(
                table=name,
                table_uuid="uuid",
                snapshot_id=snapshot_id,
                digest=f"digest {snapshot_id}",
                row_count=sum(table.num_rows for table in tables),
                file_count=len(files),
                committed_at=datetime(2026, 1, 1, tzinfo=UTC),
            ),
            metadata_location="",
            schema=tables[0].schema.serialize().to_pybytes(),
            files=tuple(files),
            is_direct=True,
        )

    return make


def utc(seconds: int | None, micros: int = 0):
    """An instant some seconds after the start of 2026."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(1_767_225_600 + seconds, UTC).replace(microsecond=micros)


INSTANT = pa.timestamp("us", tz="UTC")
