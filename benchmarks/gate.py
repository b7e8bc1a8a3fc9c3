"""The gate on 100,000 rows: baseline, champion and 20 segments, each with 1,000 resamples of whole days."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
from lightgbm import LGBMClassifier

from benchmarks.measurement import Cost, interleaved
from benchmarks.result import Result
from tidewheel.model_package import Champion, Package, package_model
from tidewheel.pipeline import Gate
from tidewheel.steps.model_validation import model_validation

ROWS, DAYS, SEGMENTS = 100_000, 60, 20
REPEATS = 3
RESAMPLES = 1000
BOUND_S = 3.0


def rows(seed: int) -> pd.DataFrame:
    """Ten numbers that say something about the label, days and segments."""
    source = np.random.default_rng(seed)
    label = (source.random(ROWS) < 0.25).astype(np.int64)
    frame = pd.DataFrame({f"x{at}": source.normal(size=ROWS) + label * at / 20 for at in range(10)})
    segment = np.array([f"S{at:02}" for at in range(SEGMENTS)])[source.integers(0, SEGMENTS, ROWS)]
    return frame.assign(label=label, day=source.integers(0, DAYS, ROWS), segment=segment)


def packaged(train: pd.DataFrame, names: list[str]) -> Package:
    """A booster of 50 trees over some of the columns."""
    model = LGBMClassifier(n_estimators=50, num_leaves=15, verbosity=-1, n_jobs=1)
    return package_model(model.fit(train[names], train["label"]), train[names].head(200))


def run() -> list[Result]:
    """Wall time of one verdict, scoring both models included."""
    train, test = rows(1), rows(2)
    candidate = packaged(train, [f"x{at}" for at in range(10)])
    champion = Champion("bench", 1, packaged(train, [f"x{at}" for at in range(9)]))
    gate = Gate(block="day", segments=("segment",), resamples=RESAMPLES, asks_package=False, keeps_signature=False)

    def judged(turn: int) -> Cost:
        start, cpu = time.perf_counter(), time.process_time()
        verdict = model_validation(candidate, test, champion, gate=gate)
        assert len(verdict.checks) == 3 + SEGMENTS, verdict
        return Cost(time.process_time() - cpu, time.perf_counter() - start, 0)

    cost = interleaved([judged], REPEATS)[0]
    label = f"gate, {RESAMPLES} resamples, {ROWS // 1000} k rows, {SEGMENTS} segments"
    return [Result(f"{label}, wall", "s", cost.wall_s, BOUND_S), Result(f"{label}, CPU", "s", cost.cpu_s, BOUND_S)]
