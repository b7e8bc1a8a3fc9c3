"""Pipelines whose values are numbers: what is measured is Tidewheel alone."""

from __future__ import annotations

import time

from tidewheel.pipeline import pipeline, step


@step
def increment(number: int) -> int:
    return number + 1


@step
def sleep(number: int, *, seconds: float) -> int:
    time.sleep(seconds)
    return number


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
