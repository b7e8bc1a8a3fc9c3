"""Mean and variance of parts, put together (Chan, Golub, LeVeque 1979)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tidewheel.statistics.cells import Floats, Ints
from tidewheel.statistics.scratch import scratch


@dataclass(frozen=True, slots=True)
class Moments:
    """Of finite numbers.

    Args:
        count: how many.
        mean: theirs; 0 for none.
        squares: sum of squared distances from the mean. Infinite when it is too large for a float.

    Error: within 1e-9 of the exact figures, relative to the largest number, in whatever order parts are merged.
    """

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0

    @property
    def variance(self) -> float | None:
        """The unbiased estimate; None for fewer than two numbers, and when it is too large for a float."""
        return self.squares / (self.count - 1) if self.count > 1 and math.isfinite(self.squares) else None

    @property
    def deviation(self) -> float | None:
        """The standard deviation; None where there is no variance."""
        variance = self.variance
        return None if variance is None else math.sqrt(variance)


def moments_of(numbers: Floats, counts: Ints | None = None) -> Moments:
    """Of finite numbers, each once, or as often as `counts` says.

    Example:
        >>> moments_of(np.array([1.0, 2.0, 6.0]))
        Moments(count=3, mean=3.0, squares=14.0)
    """
    if not len(numbers):
        return Moments()
    total = len(numbers) if counts is None else int(counts.sum())
    with np.errstate(over="ignore", invalid="ignore"):
        mean = float(numbers.mean() if counts is None else (numbers * counts).sum() / total)
        if not math.isfinite(mean):
            mean = float((numbers / total).sum() if counts is None else (numbers * (counts / total)).sum())
        distances: Floats = np.subtract(numbers, mean, out=scratch(len(numbers), np.float64))
        distances *= distances
        if counts is not None:
            distances *= counts
        squares = float(distances.sum())
    return Moments(total, mean, squares)


def merge_moments(parts: Sequence[Moments]) -> Moments:
    """Of all numbers of the parts."""
    merged = Moments()
    for part in parts:
        if not merged.count or not part.count:
            merged = part if part.count else merged
            continue
        count = merged.count + part.count
        gap = part.mean - merged.mean
        mean = merged.mean + gap * (part.count / count)
        if not math.isfinite(gap):  # both ends of the range of floats
            mean = merged.mean * (merged.count / count) + part.mean * (part.count / count)
        between = _square(gap) * (merged.count * (part.count / count))
        merged = Moments(count, mean, merged.squares + part.squares + between)
    return merged


def _square(number: float) -> float:
    """`number ** 2` raises where a product would be infinite."""
    return number * number
