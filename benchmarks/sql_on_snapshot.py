"""A filter and a group over a snapshot of four million rows, against DuckDB on the same Parquet files."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import pyarrow as pa

from benchmarks.flights_like import flights_like
from benchmarks.measurement import Cost, interleaved
from benchmarks.result import Result
from tidewheel.table_store import PyIcebergTableStore, TableReference, run_sql

FILES, ROWS = 4, 1_000_000
REPEATS = 9

QUERIES = {
    "filter": "SELECT flight, arr_delay FROM {} WHERE carrier = 'UA' AND arr_delay > 120",
    "group": "SELECT carrier, destination, count(*), avg(arr_delay) FROM {} GROUP BY ALL",
}


def run() -> list[Result]:
    """Wall time of each query, from its text to an Arrow table."""
    with tempfile.TemporaryDirectory(prefix="tidewheel-bench-") as name:
        store = PyIcebergTableStore.open(Path(name))
        store.create("flights", flights_like(ROWS, 0))
        for seed in range(1, FILES):
            snapshot = store.append("flights", flights_like(ROWS, seed))
        reference = store.reference(snapshot)
        return [_compare(name, query, reference) for name, query in QUERIES.items()]


def _compare(name: str, query: str, reference: TableReference) -> Result:
    paths = [file.path for file in reference.files]

    def by_duckdb() -> pa.Table:
        with duckdb.connect() as connection:
            return connection.sql(query.format("read_parquet($paths)"), params={"paths": paths}).to_arrow_table()

    def by_tidewheel() -> pa.Table:
        return run_sql(query.format("flights"), {"flights": reference})

    bare, ours = interleaved([lambda turn: _timed(by_duckdb), lambda turn: _timed(by_tidewheel)], REPEATS)
    return Result(f"SQL on {FILES * ROWS:,} rows, {name}, wall", "s", ours.wall_s, 1.2, bare.wall_s)


def _timed(query: Callable[[], pa.Table]) -> Cost:
    start, cpu = time.perf_counter(), time.process_time()
    query()
    return Cost(time.process_time() - cpu, time.perf_counter() - start, 0)
