"""An append of 100,000 rows with content digest and recorded snapshot, against the same append by PyIceberg alone."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import pyarrow as pa
from pyiceberg.catalog.sql import SqlCatalog

from benchmarks.flights_like import flights_like
from benchmarks.measurement import Cost, interleaved
from benchmarks.result import Result
from tidewheel.table_store import PyIcebergTableStore

ROWS = 100_000
REPEATS = 9


def run() -> list[Result]:
    """Wall time of one append to a table that has some."""
    with tempfile.TemporaryDirectory(prefix="tidewheel-bench-") as name:
        folder = Path(name)
        first = flights_like(1_000, 0)
        alone = SqlCatalog("bare", uri=f"sqlite:///{folder}/bare.db", warehouse=f"file://{folder}/bare")
        alone.create_namespace("bench")
        bare = alone.create_table("bench.flights", first.schema)
        bare.append(first)
        ours = PyIcebergTableStore.open(folder / "ours")
        ours.create("flights", first)

        def by_pyiceberg(data: pa.Table) -> None:
            alone.load_table("bench.flights").append(data)

        def by_tidewheel(data: pa.Table) -> None:
            ours.append("flights", data)

        costs = interleaved(
            [lambda turn: _timed(by_pyiceberg, turn + 1), lambda turn: _timed(by_tidewheel, turn + 1)], REPEATS
        )
    return [Result(f"append of {ROWS:,} rows, wall", "s", costs[1].wall_s, 1.5, costs[0].wall_s)]


def _timed(append, seed: int) -> Cost:  # type: ignore[no-untyped-def]
    data = flights_like(ROWS, seed)
    start, cpu = time.perf_counter(), time.process_time()
    append(data)
    return Cost(time.process_time() - cpu, time.perf_counter() - start, 0)
