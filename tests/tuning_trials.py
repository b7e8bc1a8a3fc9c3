"""Training functions for searches: a module of its own, so that the trials' processes can import it."""

from __future__ import annotations

import math
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

SPACE = {
    "line": {"slope": {"low": -4.0, "high": 4.0}, "shift": {"low": 0.01, "high": 1.0, "log": True}, "kind": ["a", "b"]},
    "constant": {"level": {"low": 0, "high": 9}},
}


class Curve:
    """Answers `slope * x + shift`."""

    def __init__(self, slope: float, shift: float, rows: int) -> None:
        self.slope, self.shift, self.rows = slope, shift, rows

    def predict(self, x: Any) -> np.ndarray:
        return self.slope * np.asarray(x, dtype=float) + self.shift


def rows(count: int = 60, start: int = 0) -> pd.DataFrame:
    """`label` is twice `x` and a bit; `day` goes up."""
    days = np.arange(start, start + count)
    x = np.random.default_rng(start).normal(size=count)
    return pd.DataFrame({"day": days // 2, "x": x, "label": 2.0 * x + 0.1})


def fit(trial, train, validation):
    """The model that the parameters say; nothing is learned, so it takes no time."""
    if trial.algorithm == "constant":
        return Curve(0.0, float(trial.parameters["level"]), len(train))
    return Curve(trial.parameters["slope"], trial.parameters["shift"], len(train))


def error(model, part) -> dict[str, float]:
    """Mean absolute error, and how many rows there were."""
    gap = np.abs(model.predict(part["x"]) - part["label"])
    return {"mae": float(gap.mean()), "rows": float(len(part)), "draw": float(np.random.normal())}


def fit_slowly(trial, train, validation):
    """Each trial takes another time; the first of them the longest."""
    time.sleep(0.2 if trial.number % 4 == 0 else 0.0)
    return fit(trial, train, validation)


def fit_with_trouble(trial, train, validation):
    """Trials 1 to 6 end in six bad ways, the rest well."""
    match trial.number:
        case 1:
            os.abort()
        case 2:
            time.sleep(600)
        case 3:
            return bytearray(3_000_000_000)
        case 4:
            raise ValueError("no such kernel")
        case 5:
            raise SystemExit(3)
        case 6:
            os._exit(7)
    return fit(trial, train, validation)


def not_a_number(model, part) -> float:
    return math.nan


def sometimes_infinite(model, part) -> float:
    return math.inf if model.slope == 0.0 else error(model, part)["mae"]


def other_name(model, part) -> dict[str, float]:
    return {"mse": 1.0}


def fail(trial, train, validation):
    raise RuntimeError("never works")


def fit_in_rounds(trial, train, validation):
    """Reports its error in each of ten rounds, and leaves a mark for each."""
    model = fit(trial, train, validation)
    for step in range(10):
        if validation is not None:
            trial.report(error(model, validation)["mae"] + 1.0 / (step + 1), step=step)
    return model


def fit_and_count(trial, train, validation):
    """Leaves a mark for each call, and hangs at a gate if there is one."""
    marks = Path(os.environ["MARKS"])
    (marks / f"{trial.number}-{os.getpid()}").touch()
    gate = marks / "gate"
    while trial.number == 6 and not gate.exists():
        time.sleep(0.01)
    return fit(trial, train, validation)
