"""The profile of ten million rows of twelve mixed columns, against one DuckDB query that counts the rows of every
column by cell, on the same Parquet files; and its memory, against that for a tenth of the rows.

Each turn is a process of its own, so that its peak of memory is its own; both start with the same imports.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa

from benchmarks.measurement import Cost, cost_of, interleaved
from benchmarks.result import Result
from tidewheel.table_store import PyIcebergTableStore

FILES, ROWS = 10, 1_000_000
REPEATS = 3

_START = """
import pathlib, sys, duckdb, numpy, pyarrow.parquet
from tidewheel.statistics.profile_pass import profile_batches
from tidewheel.table_store import TableReader, TableReference
reader = TableReader(TableReference.from_json(pathlib.Path(sys.argv[1]).read_bytes()))
"""

NOTHING = _START

BY_TIDEWHEEL = (
    _START
    + """
profile = profile_batches(reader.encoded_batches(), reader.schema)
assert profile.row_count == reader.row_count
peak = pathlib.Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]
pathlib.Path("peak").write_text(peak)
"""
)

# Cells that cost DuckDB little: whole numbers and texts as they are, the rest by one cheap expression.
BY_DUCKDB = (
    _START
    + """
cells = {
    "flight": "flight >> 10", "scheduled": "epoch_us(scheduled) // 3600000000", "carrier": "carrier",
    "destination": "destination", "tail": "tail", "distance": "distance", "month": "month",
    "arr_delay": "floor(arr_delay * 16)::int", "dep_delay": "dep_delay::int", "wind": "floor(wind * 64)::int",
    "amount": "floor(ln(amount) * 256)::int", "is_late": "is_late",
}
paths = [file.path for file in reader.reference.files]
grouped = (f"select {cell} as cell, count(*) n from read_parquet({paths}) group by 1" for cell in cells.values())
counted = ", ".join(f"(select list({{'cell': cell, 'n': n}}) from ({query}))" for query in grouped)
assert len(duckdb.sql("select " + counted).fetchall()[0]) == 12
"""
)


def mixed(rows: int, seed: int) -> pa.Table:
    """Twelve columns such as tables have: keys, times, categories, skewed and missing numbers."""
    random = np.random.default_rng(seed)
    minute = np.datetime64("2013-01-01T00:00", "us") + random.integers(0, 525_600, rows).astype("timedelta64[m]")
    delay, is_missing = random.normal(7, 45, rows), random.random(rows) < 0.03
    return pa.table(
        {
            "flight": pa.array(np.arange(rows) + seed * rows),
            "scheduled": pa.array(np.sort(minute)),
            "carrier": pa.array(random.choice(["UA", "B6", "EV", "DL", "AA", "MQ", "US"], rows)),
            "destination": pa.array(random.choice([f"D{number:02}" for number in range(100)], rows)),
            "tail": pa.array(random.choice([f"N{number:05}" for number in range(4_000)], rows)),
            "distance": pa.array(random.integers(80, 5_000, rows)),
            "month": pa.array(random.integers(1, 13, rows).astype("int32")),
            "arr_delay": pa.array(delay, mask=is_missing),
            "dep_delay": pa.array(np.round(delay), mask=is_missing),
            "wind": pa.array(random.gamma(2.0, 5.0, rows).astype("float32")),
            "amount": pa.array(random.lognormal(3, 2, rows)),
            "is_late": pa.array(delay > 15),
        }
    )


def run() -> list[Result]:
    """Wall time without start and imports, and peaks of memory beyond them."""
    with tempfile.TemporaryDirectory(prefix="tidewheel-bench-") as name:
        folder = Path(name)
        store = PyIcebergTableStore.open(folder / "tables")
        few = store.create("mixed", mixed(ROWS, 0))
        (folder / "few.json").write_bytes(store.reference(few).to_json())
        many = few
        for seed in range(1, FILES):
            many = store.append("mixed", mixed(ROWS, seed))
        (folder / "many.json").write_bytes(store.reference(many).to_json())
        start, bare, ours, ours_few = interleaved(
            [
                _turn(NOTHING, folder, "many.json"),
                _turn(BY_DUCKDB, folder, "many.json"),
                _turn(BY_TIDEWHEEL, folder, "many.json"),
                _turn(BY_TIDEWHEEL, folder, "few.json"),
            ],
            REPEATS,
        )
    rows = f"{FILES * ROWS:,} rows x 12"
    return [
        Result(f"profile, {rows}, wall", "s", ours.wall_s - start.wall_s, 2.0, bare.wall_s - start.wall_s),
        Result(f"profile, {rows}, CPU", "s", ours.cpu_s - start.cpu_s, 2.0, bare.cpu_s - start.cpu_s),
        Result(f"profile, {FILES} times the rows, memory", "MB", ours.peak_bytes / 1e6, 1.2, ours_few.peak_bytes / 1e6),
    ]


def _turn(program: str, folder: Path, reference: str) -> Callable[[int], Cost]:
    def turn(number: int) -> Cost:
        cost = cost_of([sys.executable, "-c", program, reference], folder)
        # What the system says of a child includes what its parent held when it started it.
        peak = folder / "peak"
        return Cost(cost.cpu_s, cost.wall_s, int(peak.read_text()) * 1024 if peak.exists() else 0)

    return turn
