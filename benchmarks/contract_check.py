"""A table of 1,000,000 rows held against a contract of 11 rules: one query, beside pandera on the data frame."""

from __future__ import annotations

import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandera.pandas as pa
import pyarrow as arrow

from benchmarks.measurement import Cost, interleaved
from benchmarks.result import Result
from tidewheel.pipeline import Contract, RowRule
from tidewheel.steps.pandera_contract import translate
from tidewheel.table_store import PyIcebergTableStore
from tidewheel.table_store.duckdb_contract import open_audit

ROWS = 1_000_000
REPEATS = 7
AT = datetime(2014, 1, 1, tzinfo=UTC)
CARRIERS = ["AA", "B6", "DL", "EV", "UA"]
SCHEMA = pa.DataFrameSchema(
    {
        "id": pa.Column("int64", unique=True),
        "carrier": pa.Column(str, pa.Check.isin(CARRIERS)),
        "tailnum": pa.Column(str, pa.Check.str_length(6, 6), nullable=True),
        "month": pa.Column("int64", pa.Check.in_range(1, 12)),
        "delay": pa.Column(float, pa.Check.in_range(-100, 2000), nullable=True),
        "distance": pa.Column(float, pa.Check.gt(0)),
    },
    checks=pa.Check(lambda rows: (rows["distance"] > 0) | (rows["delay"] < 60), name="short ones"),
)
"""Four columns without nulls, a key, a domain, a length, three ranges and a condition: 11 rules."""


def rows(count: int) -> arrow.Table:
    """Flights of the schema, of which none breaks it."""
    generator = np.random.default_rng(1)
    return arrow.table(
        {
            "id": np.arange(count),
            "carrier": np.array(CARRIERS)[generator.integers(0, 5, count)],
            "tailnum": np.array([f"N{number:05}" for number in range(4000)])[generator.integers(0, 4000, count)],
            "month": generator.integers(1, 13, count),
            "delay": generator.normal(10, 40, count).clip(-90, 1900),
            "distance": generator.uniform(80, 4900, count),
        }
    )


def run() -> list[Result]:
    """Wall time of one check, everything that a check opens included."""
    columns = dict(SCHEMA.columns)
    contract = translate(
        Contract("flights", pa.DataFrameSchema(columns), rules=[RowRule("short ones", "distance > 0 or delay < 60")])
    )
    data = rows(ROWS)
    frame = data.to_pandas()
    with tempfile.TemporaryDirectory(prefix="tidewheel-bench-") as name:
        store = PyIcebergTableStore.open(Path(name))
        reference = store.reference(store.create("flights", data))

        def by_query(turn: int) -> Cost:
            start, cpu = time.perf_counter(), time.process_time()
            with open_audit(contract, reference, at=AT) as audit:
                assert audit.check() == []
            return Cost(time.process_time() - cpu, time.perf_counter() - start, 0)

        def by_pandera(turn: int) -> Cost:
            start, cpu = time.perf_counter(), time.process_time()
            SCHEMA.validate(frame, lazy=True)
            return Cost(time.process_time() - cpu, time.perf_counter() - start, 0)

        costs = interleaved([by_pandera, by_query], REPEATS)
    label = f"contract of {len(contract.rules)} rules, {ROWS // 1_000_000} M rows"
    return [
        Result(f"{label}, wall", "s", costs[1].wall_s, 0.3),
        Result(f"{label}, beside pandera", "s", costs[1].wall_s, 3.0, costs[0].wall_s),
    ]
