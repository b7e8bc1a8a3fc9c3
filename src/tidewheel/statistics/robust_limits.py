"""Limits beyond which a number is an outlier, from the sketch of its distribution alone."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from tidewheel.statistics.cells import Cells


class Limits(NamedTuple):
    """The least and the greatest number that is no outlier; `share` of the numbers they came from lies beyond."""

    low: float
    high: float
    share: float


def deviation_limits(cells: Cells, deviations: float) -> Limits | None:
    """The median plus and minus so many median absolute deviations (Hampel 1974); within the error of the cells.

    For normal numbers one such deviation is 0.6745 standard deviations.

    Returns:
        None when there is no number, or when at least half of them are the same: the deviation is then 0.

    Example:
        >>> from tidewheel.statistics.cells import cells_of
        >>> deviation_limits(cells_of(np.array([1.0, 2.0, 3.0, 4.0, 100.0])), 5)
        Limits(low=-2.0, high=8.0, share=0.2)
    """
    if not cells.total:
        return None
    middle = float(cells.quantiles([0.5])[0])
    distances = np.abs(cells.values - middle)
    order = np.argsort(distances, kind="stable")
    until = np.cumsum(cells.counts[order])
    deviation = float(distances[order][np.searchsorted(until, (until[-1] + 1) // 2)])
    if not deviation:
        return None
    return _with_share(cells, middle - deviations * deviation, middle + deviations * deviation)


def quantile_limits(cells: Cells, share: float) -> Limits | None:
    """The quantiles of `share` and of 1 minus it; None when there is no number.

    Example:
        >>> from tidewheel.statistics.cells import cells_of
        >>> quantile_limits(cells_of(np.arange(1000.0)), 0.01)
        Limits(low=9.0, high=989.0, share=0.019)
    """
    if not cells.total:
        return None
    low, high = cells.quantiles([share, 1 - share])
    return _with_share(cells, float(low), float(high))


def _with_share(cells: Cells, low: float, high: float) -> Limits:
    below, until = cells.counts_below(np.array([low, np.nextafter(high, math.inf)]))
    return Limits(low, high, float(below + cells.total - until) / cells.total)
