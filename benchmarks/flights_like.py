"""Rows like those of the flights example, made up: what table benches write and read."""

from __future__ import annotations

import numpy as np
import pyarrow as pa


def flights_like(rows: int, seed: int) -> pa.Table:
    """`rows` rows of numbers, times and short texts; equal for equal seeds."""
    random = np.random.default_rng(seed)
    minute = np.datetime64("2013-01-01T00:00", "us") + random.integers(0, 525_600, rows).astype("timedelta64[m]")
    return pa.table(
        {
            "flight": pa.array(np.arange(rows) + seed * rows),
            "scheduled": pa.array(np.sort(minute)),
            "carrier": pa.array(random.choice(["UA", "B6", "EV", "DL", "AA", "MQ", "US"], rows)),
            "destination": pa.array(random.choice([f"D{number:02}" for number in range(100)], rows)),
            "distance": pa.array(random.integers(80, 5_000, rows)),
            "arr_delay": pa.array(random.normal(7, 45, rows)),
        }
    )
