"""Features beside Feast, on the same rows in one run: join on its DuckDB store, lookups and materialization on SQLite.

Feast is no dependency of Tidewheel, and wants an older pandas: it is measured when the variable FEAST_PYTHON names a
Python that has it, and otherwise skipped, which is told. It takes some ten minutes, nearly all of them Feast's. To make
one:

    python -m venv feast && feast/bin/pip install 'feast[duckdb]'
    FEAST_PYTHON=feast/bin/python python -m benchmarks feast_comparison
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.features import (
    ENTITIES,
    FEATURES,
    ONLINE_FEATURES,
    ONLINE_ROWS,
    SPINE_ROWS,
    VIEW_ROWS,
    _events,
    _lookup,
    _times,
    _view,
)
from benchmarks.measurement import PROJECTS, quietest
from benchmarks.result import Result
from tidewheel.feature_store import OnlineStore, join, materialize
from tidewheel.table_store import PyIcebergTableStore

PYTHON = "FEAST_PYTHON"
REPEATS = 1
BOUNDS = {"join": 1 / 1.3, "materialize": 1 / 20, "lookup 1": 0.1, "lookup 100": 0.05}
UNITS = {"lookup 1": ("µs", 1e6), "lookup 100": ("ms", 1e3)}


def run() -> list[Result]:
    """Wall times in seconds: one join, one materialization, medians of lookups."""
    python = os.environ.get(PYTHON)
    if not python:
        print(f"feast_comparison is skipped: {PYTHON} names no Python with feast[duckdb]", file=sys.stderr)
        return []
    with tempfile.TemporaryDirectory(prefix="tidewheel-bench-") as name:
        folder = Path(name)
        rows = _rows()
        for table, data in rows.items():
            pq.write_table(data, folder / f"{table}.parquet")
        before = _tidewheel(folder / "before", rows)
        feast = _feast(python, folder)
        after = _tidewheel(folder / "after", rows)
    # Ours before and after, so that a machine that grew busier meanwhile flatters nobody.
    ours = {what: statistics.mean((before[what], after[what])) for what in feast}
    return [_result(what, ours[what], feast[what]) for what in feast]


def _result(what: str, ours_s: float, feast_s: float) -> Result:
    unit, scale = UNITS.get(what, ("s", 1.0))
    return Result(f"{what} beside Feast", unit, ours_s * scale, BOUNDS[what], feast_s * scale)


def _rows() -> dict[str, pa.Table]:
    random = np.random.default_rng(0)
    entities = random.integers(0, ENTITIES, SPINE_ROWS)
    return {
        "spine": pa.table({"entity": entities, "event_timestamp": _times(random, SPINE_ROWS)}),
        "first": _events(random, VIEW_ROWS, random.integers(0, ENTITIES, VIEW_ROWS), FEATURES, "first"),
        "second": _events(random, VIEW_ROWS, random.integers(0, ENTITIES, VIEW_ROWS), FEATURES, "second"),
        "online": _events(random, ONLINE_ROWS, np.arange(ONLINE_ROWS), ONLINE_FEATURES, "online"),
    }


def _feast(python: str, folder: Path) -> dict[str, float]:
    script = str(PROJECTS / "feast_store" / "measure.py")
    sizes = [str(number) for number in (FEATURES, ONLINE_FEATURES, REPEATS)]
    environment = {**os.environ, "FEAST_USAGE": "False"}
    done = subprocess.run(
        [python, script, str(folder), *sizes], env=environment, stdout=subprocess.PIPE, text=True, check=True
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def _tidewheel(folder: Path, rows: dict[str, pa.Table]) -> dict[str, float]:
    store = PyIcebergTableStore.open(folder / "tables")
    references = {table: store.reference(store.create(table, data)) for table, data in rows.items() if table != "spine"}
    online = references.pop("online")
    views = [_view(table, FEATURES) for table in references]
    times = {"join": 0.0}
    turns = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        assert join(rows["spine"], views, references, event_time="event_timestamp")[0].num_rows == SPINE_ROWS
        turns.append(time.perf_counter() - start)
    times["join"] = min(turns)
    start = time.perf_counter()
    materialize(folder / "online.db", _view("online", ONLINE_FEATURES), online)
    times["materialize"] = time.perf_counter() - start
    with OnlineStore(folder / "online.db") as opened:
        for count, calls in ((1, 2_000), (100, 200)):
            asked = np.random.default_rng(1).integers(0, ONLINE_ROWS, (calls, count)).tolist()
            times[f"lookup {count}"] = quietest([_lookup(opened, one) for one in asked])
    return times
