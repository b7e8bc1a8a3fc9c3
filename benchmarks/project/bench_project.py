"""The pipelines that are measured."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tidewheel.pipeline import pipeline, step

if TYPE_CHECKING:
    import numpy as np


@step
def increment(number: int) -> int:
    return number + 1


@step
def sleep(number: int, *, seconds: float) -> int:
    time.sleep(seconds)
    return number


@step
def make_array(start: int, *, megabytes: int) -> np.ndarray:
    import numpy as np

    return np.arange(start, start + megabytes * 125_000, dtype=np.float64)


@step
def shift(array: np.ndarray) -> np.ndarray:
    return array + 1.0


@pipeline
def noop(*, steps: int = 10, start: int = 0) -> None:
    """A chain of steps that do nothing worth the name."""
    value = increment(start)
    for _ in range(steps - 1):
        value = increment(value)


@pipeline
def naps(*, steps: int = 32, seconds: float = 0.25, start: int = 0) -> None:
    """Steps that wait, independent of each other."""
    for number in range(steps):
        sleep(start + number, seconds=seconds)


@pipeline
def large(*, megabytes: int = 200, start: int = 0) -> None:
    """An array through three steps."""
    shift(shift(make_array(start, megabytes=megabytes)))
