"""Intervals from resampled blocks that stay honest with few of them.

The percentile bootstrap is too narrow for a handful of blocks: its spread is that of n, not of n - 1, and its tails are
those of the normal, not of Student's distribution. Both are put right as Hesterberg proposes (What Teachers Should Know
About the Bootstrap, 2015, "expanded percentile interval"); beside it stands Student's interval with the bootstrap's
spread, and the wider end of the two counts, also where 1,000 resamples say nothing about one in 10,000.
"""

from __future__ import annotations

import math

import numpy as np

from tidewheel.core.errors import ParameterError
from tidewheel.statistics.binary_metrics import Numbers
from tidewheel.statistics.block_bootstrap import Interval
from tidewheel.statistics.block_measure import BlockMeasure, PairMeasure


def measured_interval(measure: BlockMeasure, draws: Numbers, *, tail: float = 0.05) -> Interval:
    """A metric with its interval.

    Args:
        measure: of the rows.
        draws: from `draw_blocks`.
        tail: probability left out at each end, below 0.5.

    Example:
        >>> from tidewheel.statistics.block_measure import mean_measure
        >>> from tidewheel.statistics.blocks import blocks_of, draw_blocks
        >>> heights = mean_measure(np.array([1.0, 2.0, 3.0, 4.0]), blocks_of(None, 4))
        >>> found = measured_interval(heights, draw_blocks(4, 1000, seed=0))
        >>> found.estimate, found.low < 1.5, found.high > 3.5
        (2.5, True, True)
    """
    count = draws.shape[1]
    estimate = float(measure(np.ones((1, count)))[0]) if count else math.nan
    return interval_of(estimate, measure(draws) if count > 1 else np.array([]), count, tail=tail)


def gain_measure(ours: BlockMeasure, theirs: BlockMeasure, *, is_loss: bool) -> BlockMeasure:
    """How much better `ours` is on the same rows, resample by resample; positive is better whatever the metric."""
    better, worse = (theirs, ours) if is_loss else (ours, theirs)
    if isinstance(better, PairMeasure) and isinstance(worse, PairMeasure):
        return better.minus(worse)
    return lambda weights: better(weights) - worse(weights)


def interval_of(estimate: float, values: Numbers, count: int, *, tail: float) -> Interval:
    """The interval of an estimate whose resampled values are known; see the module for the method.

    Args:
        values: one per resample; NaN where there was none.
        count: blocks that were drawn from.
        tail: probability left out at each end, below 0.5.
    """
    from scipy.special import ndtr, stdtrit

    if not 0 < tail < 0.5:
        raise ParameterError(f"tail {tail} must be between 0 and 0.5")
    known = values[np.isfinite(values)]
    if count < 2 or not len(known) or len(known) < len(values) / 2 or not math.isfinite(estimate):
        return Interval(estimate, math.nan, math.nan, count)
    reach = float(stdtrit(count - 1, 1 - tail)) * math.sqrt(count / (count - 1))
    spread = reach * float(known.std())
    expanded = float(ndtr(-reach))
    low, high = np.quantile(known, [expanded, 1 - expanded])
    return Interval(estimate, min(float(low), estimate - spread), max(float(high), estimate + spread), count)
