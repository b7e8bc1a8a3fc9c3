"""Features: the point-in-time join against DuckDB's own ASOF join on the same files, lookups, materialization."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from benchmarks.measurement import Cost, interleaved, quietest
from benchmarks.result import Result
from tidewheel.feature_store import OnlineStore, join, materialize
from tidewheel.pipeline import FeatureView
from tidewheel.pipeline.feature_view import ViewDefinition
from tidewheel.table_store import PyIcebergTableStore, TableReference

SPINE_ROWS, VIEW_ROWS, ENTITIES, FEATURES = 1_000_000, 5_000_000, 100_000, 5
ONLINE_ROWS, ONLINE_FEATURES = 1_000_000, 10
DAYS_S, START_US = 90 * 86_400, 1_700_000_000_000_000
FEAST_ROWS_PER_S = 100_000 / 42.8
"""Feast with SQLite on the machine of these bounds; 20 times that is the promise."""
REPEATS = 5
_INSTANT = pa.timestamp("us", tz="UTC")


def run() -> list[Result]:
    """Wall times, of lookups the median of the quietest of ten turns.

    The join's baseline neither settles ties, nor keeps the order, nor tells what it found.
    """
    with tempfile.TemporaryDirectory(prefix="tidewheel-bench-") as name:
        store = PyIcebergTableStore.open(Path(name, "tables"))
        return [_join(store), *_online(store, Path(name, "online.db"))]


def _join(store: PyIcebergTableStore) -> Result:
    random = np.random.default_rng(0)
    references: dict[str, TableReference] = {}
    for table in ("first", "second"):
        rows = _events(random, VIEW_ROWS, random.integers(0, ENTITIES, VIEW_ROWS), FEATURES, table)
        store.create(table, rows.slice(0, VIEW_ROWS // 2))
        references[table] = store.reference(store.append(table, rows.slice(VIEW_ROWS // 2)))
    spine = pa.table({"entity": random.integers(0, ENTITIES, SPINE_ROWS), "asked_at": _times(random, SPINE_ROWS)})
    views = [_view(table, FEATURES) for table in references]

    def by_duckdb() -> int:
        return _asof(spine, references).num_rows

    def by_tidewheel() -> int:
        return join(spine, views, references, event_time="asked_at")[0].num_rows

    bare, ours = interleaved([lambda turn: _timed(by_duckdb), lambda turn: _timed(by_tidewheel)], REPEATS)
    what = f"point-in-time join, {SPINE_ROWS:,} x 2 x {VIEW_ROWS:,}"
    return Result(what, "s", ours.wall_s, 1.3, bare.wall_s)


def _asof(spine: pa.Table, references: dict[str, TableReference]) -> pa.Table:
    with duckdb.connect() as connection:
        connection.register("spine", spine)
        for table, reference in references.items():
            paths = [file.path for file in reference.files]
            connection.execute(f"create view {table} as select * from read_parquet({paths})")
        listed = ", ".join(f"{table}_{index}" for table in references for index in range(FEATURES))
        joins = " ".join(
            f"asof left join {t} on s.entity = {t}.entity and s.asked_at >= {t}.event_time" for t in references
        )
        return connection.sql(f"select s.entity, s.asked_at, {listed} from spine s {joins}").to_arrow_table()


def _online(store: PyIcebergTableStore, path: Path) -> list[Result]:
    random = np.random.default_rng(1)
    entities = np.arange(ONLINE_ROWS)
    rows = _events(random, ONLINE_ROWS, entities, ONLINE_FEATURES, "online")
    reference = store.reference(store.create("online", rows))
    start = time.perf_counter()
    materialize(path, _view("online", ONLINE_FEATURES), reference)
    wall = time.perf_counter() - start
    results = [Result("materialize 1,000,000 rows", "s", wall, ONLINE_ROWS / FEAST_ROWS_PER_S / 20)]
    with OnlineStore(path) as online:
        for count, calls, bound in ((1, 5_000, 40e-6), (100, 500, 1e-3)):
            asked = random.integers(0, ONLINE_ROWS, (calls, count)).tolist()
            wall = quietest([_lookup(online, one) for one in asked])
            unit, scale = ("µs", 1e6) if count == 1 else ("ms", 1e3)
            name = f"online lookup, {ONLINE_FEATURES} features of {count}, p50"
            results.append(Result(name, unit, wall * scale, bound * scale))
    return results


def _lookup(online: OnlineStore, entities: list[int]) -> float:
    start = time.perf_counter()
    online.get_online(["online"], {"entity": entities})
    return time.perf_counter() - start


def _events(random: np.random.Generator, rows: int, entities: np.ndarray, features: int, name: str) -> pa.Table:
    columns = {"entity": entities, "event_time": _times(random, rows), "created": _times(random, rows)}
    return pa.table(columns | {f"{name}_{index}": random.normal(size=rows) for index in range(features)})


def _times(random: np.random.Generator, rows: int) -> pa.Array:
    return pa.array(START_US + random.integers(0, DAYS_S, rows) * 1_000_000, _INSTANT)


def _view(table: str, features: int) -> ViewDefinition:
    return FeatureView(
        table,
        table=table,
        keys=["entity"],
        event_time="event_time",
        created_time="created",
        ttl=timedelta(days=10_000),
        features=[f"{table}_{index}" for index in range(features)],
    ).definition


def _timed(work: Callable[[], int]) -> Cost:
    start, cpu = time.perf_counter(), time.process_time()
    work()
    return Cost(time.process_time() - cpu, time.perf_counter() - start, 0)
