"""Intervals for metrics of rows that are not independent: whole blocks are drawn, such as the days of flights.

Method: the paired block bootstrap. Blocks are drawn with replacement (Efron and Tibshirani, 1993, chapter 8; for
dependent rows Lahiri, 2003); both models are scored on the same draw, so what the two share cancels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from tidewheel.core.errors import ParameterError
from tidewheel.statistics.binary_metrics import Numbers, checked, grouped_auc, tie_groups


class Interval(msgspec.Struct, frozen=True):
    """An estimate with the central interval of its bootstrap distribution.

    Attributes:
        estimate: on the rows as they are.
        low, high: NaN when there are fewer than two blocks, or when no draw has both classes.
        blocks: how many were drawn from.
    """

    estimate: float
    low: float
    high: float
    blocks: int


def auc_interval(
    labels: ArrayLike,
    scores: ArrayLike,
    blocks: ArrayLike,
    *,
    confidence: float = 0.9,
    resamples: int = 1000,
    seed: int = 0,
) -> Interval:
    """ROC AUC with its interval.

    Args:
        blocks: one value per row; rows with the same value are drawn together.
        confidence: 0..1, the share that the interval covers.

    Example:
        >>> auc_interval([0, 1] * 50, [0.2, 0.8] * 50, list(range(50)) * 2, resamples=50)
        Interval(estimate=1.0, low=1.0, high=1.0, blocks=50)
    """
    return _interval(_weighted_auc(labels, scores), np.size(labels), blocks, confidence, resamples, seed)


def auc_difference(
    labels: ArrayLike,
    scores: ArrayLike,
    reference: ArrayLike,
    blocks: ArrayLike,
    *,
    confidence: float = 0.9,
    resamples: int = 1000,
    seed: int = 0,
) -> Interval:
    """How much ROC AUC the scores gain over a reference on the same rows, positive is better.

    Example:
        >>> gain = auc_difference([0, 1] * 50, [0.2, 0.8] * 50, [0.5] * 100, list(range(50)) * 2, resamples=50)
        >>> (gain.estimate, gain.low)
        (0.5, 0.5)
    """
    ours, theirs = _weighted_auc(labels, scores), _weighted_auc(labels, reference)
    return _interval(
        lambda weights: ours(weights) - theirs(weights), np.size(labels), blocks, confidence, resamples, seed
    )


def _weighted_auc(labels: ArrayLike, scores: ArrayLike) -> Callable[[Numbers], float]:
    truth, score = checked(labels, scores)
    order, groups = tie_groups(score)
    ordered = truth[order]
    return lambda weights: grouped_auc(ordered, weights[order], groups)


def _interval(
    statistic: Callable[[Numbers], float], rows: int, blocks: ArrayLike, confidence: float, resamples: int, seed: int
) -> Interval:
    if not 0 < confidence < 1 or resamples < 1:
        raise ParameterError(f"confidence {confidence} must be in 0..1 and resamples {resamples} at least 1")
    names, member = np.unique(np.asarray(blocks), return_inverse=True)
    if len(member) != rows:
        raise ParameterError(f"{len(member)} blocks for {rows} rows", next_step="give one block per row")
    estimate = statistic(np.ones(rows))
    if len(names) < 2:
        return Interval(estimate, float("nan"), float("nan"), len(names))
    values = np.array([statistic(weights) for weights in _draws(member, len(names), resamples, seed)])
    if np.isnan(values).all():
        return Interval(estimate, float("nan"), float("nan"), len(names))
    tail = (1 - confidence) / 2
    low, high = np.nanquantile(values, [tail, 1 - tail])
    return Interval(estimate, float(low), float(high), len(names))


def _draws(member: NDArray[np.intp], count: int, resamples: int, seed: int) -> Iterator[Numbers]:
    """How often each row counts in each draw; one at a time, since all of them would fill the memory."""
    generator = np.random.default_rng(seed)
    for _ in range(resamples):
        yield np.bincount(generator.integers(0, count, count), minlength=count).astype(np.float64)[member]
