"""A pipeline of large values."""

from __future__ import annotations

import numpy as np

from tidewheel.pipeline import pipeline, step


@step
def make_array(start: int, *, megabytes: int) -> np.ndarray:
    return np.arange(start, start + megabytes * 125_000, dtype=np.float64)


@step
def shift(array: np.ndarray) -> np.ndarray:
    return array + 1.0


@pipeline
def large(*, megabytes: int = 200, start: int = 0) -> None:
    """An array through three steps."""
    shift(shift(make_array(start, megabytes=megabytes)))
