"""Appends of 1,000 rows, one after another, with maintenance on: the commit at the 1,000th against that at the 10th."""

from __future__ import annotations

import statistics
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.flights_like import flights_like
from benchmarks.result import Result
from tidewheel.table_store import PyIcebergTableStore
from tidewheel.table_store.maintenance import MaintenancePolicy

APPENDS = 1_000
ROWS = 1_000
WINDOW = 15
"""Commits on either side of which the median is taken: one alone is a matter of luck."""

POLICY = MaintenancePolicy()


def run() -> list[Result]:
    """Wall time of an append early and late; maintenance is done when it is due, as `tidewheel tick` does it."""
    data = flights_like(ROWS, 0)
    times: list[float] = []
    with tempfile.TemporaryDirectory(prefix="tidewheel-bench-") as name:
        store = PyIcebergTableStore.open(Path(name))
        store.create("flights", data.schema)
        care = 0.0
        for _ in range(APPENDS + WINDOW):
            start = time.perf_counter()
            store.append("flights", data)
            times.append(time.perf_counter() - start)
            start = time.perf_counter()
            if store.maintenance.is_due("flights", POLICY):
                maintain(store)
            care += time.perf_counter() - start
    early = statistics.median(times[10 - WINDOW // 3 : 10 + WINDOW // 3])
    late = statistics.median(times[APPENDS - WINDOW : APPENDS + WINDOW])
    return [
        Result(f"append of {ROWS:,} rows at the {APPENDS:,}th, maintained", "s", late, 1.5, early),
        Result("its maintenance, for each append", "s", care / len(times), 1.0, early),
    ]


def maintain(store: PyIcebergTableStore) -> None:
    """What `tidewheel tables maintain` does for one table."""
    store.maintenance.compact("flights", POLICY)
    older_than = datetime.now(UTC) - timedelta(days=POLICY.keep_days)
    store.maintenance.expire("flights", older_than=older_than, keep_snapshots=POLICY.keep_snapshots, keep=tuple)
    store.maintenance.remove_orphans("flights", timedelta(hours=POLICY.orphan_hours))
