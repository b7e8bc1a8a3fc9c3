"""Metrics as functions of how often each block counts, so that a thousand resamples cost a few matrix products.

A mean is a ratio of block totals. ROC AUC is a quadratic form: with `wins[b, c]` the pairs of a positive in block b and
a negative in block c that are ranked rightly, a resample that counts the blocks w times has AUC w'Ww / (w'p)(w'n). Both
are exact, not approximations, and no resample looks at a row again.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import Protocol

import numpy as np

from tidewheel.statistics.binary_metrics import Numbers
from tidewheel.statistics.blocks import Blocks

_CELLS = 2_000_000


class BlockMeasure(Protocol):
    """A metric of rows whose blocks count more or less often."""

    def __call__(self, weights: Numbers) -> Numbers:
        """Values of [resamples, blocks]; NaN where there is none. All ones give the metric of the rows as they are."""


class SumMeasure:
    """A metric that follows from totals over rows.

    Args:
        totals: by block, [blocks, parts].
        value: from totals [resamples, parts] to values [resamples].
    """

    def __init__(self, totals: Numbers, value: Callable[[Numbers], Numbers]) -> None:
        self._totals = totals
        self._value = value

    def __call__(self, weights: Numbers) -> Numbers:
        """See BlockMeasure."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return self._value(weights @ self._totals)


class PairMeasure:
    """ROC AUC of rows in blocks.

    Args:
        truth: 0 or 1 of each row.
        score: ascending with the probability of 1.
    """

    def __init__(self, truth: Numbers, score: Numbers, blocks: Blocks) -> None:
        self._positives = blocks.sums(truth)
        self._negatives = blocks.sums(1.0 - truth)
        self._wins = _wins(truth, score, blocks)

    def minus(self, other: PairMeasure) -> PairMeasure:
        """The difference to another score of the same rows, as one form: half the work, and no digits lost."""
        difference = copy(self)
        difference._wins = self._wins - other._wins
        return difference

    def __call__(self, weights: Numbers) -> Numbers:
        """See BlockMeasure."""
        pairs = (weights @ self._positives) * (weights @ self._negatives)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(((weights @ self._wins) * weights).sum(axis=1) / pairs)


class MeanMeasure:
    """The plain mean of several measures, such as of one AUC for each class."""

    def __init__(self, parts: list[BlockMeasure]) -> None:
        self._parts = parts

    def __call__(self, weights: Numbers) -> Numbers:
        """See BlockMeasure."""
        return np.asarray(np.mean([part(weights) for part in self._parts], axis=0))


def mean_measure(numbers: Numbers, blocks: Blocks, *, root: bool = False) -> SumMeasure:
    """The mean of a number per row, or its square root.

    Example:
        >>> from tidewheel.statistics.blocks import blocks_of
        >>> mean_measure(np.array([1.0, 3.0]), blocks_of(None, 2))(np.array([[1.0, 1.0], [2.0, 0.0]])).tolist()
        [2.0, 1.0]
    """
    totals = np.stack([blocks.sums(numbers), np.bincount(blocks.member, minlength=blocks.count)], axis=1)

    def value(sums: Numbers) -> Numbers:
        mean = sums[:, 0] / sums[:, 1]
        return np.sqrt(mean) if root else mean

    return SumMeasure(totals, value)


def _wins(truth: Numbers, score: Numbers, blocks: Blocks) -> Numbers:
    """Pairs by block of the positive and block of the negative; ties count half."""
    is_one = truth == 1.0
    if 2 * is_one.sum() > len(truth):  # the work grows with the smaller class: see both from the other side
        return _wins(1.0 - truth, -score, blocks).T
    wins = np.zeros((blocks.count, blocks.count))
    if not is_one.any():
        return wins
    order = np.argsort(score[is_one], kind="stable")
    ascending, member = score[is_one][order], blocks.member[is_one][order]
    by_block = np.argsort(member, kind="stable")
    present, starts = np.unique(member[by_block], return_index=True)
    sides = [np.searchsorted(ascending, score[~is_one], side) for side in ("left", "right")]
    width = len(ascending) + 1
    negatives = np.argsort(blocks.member[~is_one], kind="stable")
    of_negatives = blocks.member[~is_one][negatives]
    step = max(1, _CELLS // width)
    for first in range(0, blocks.count, step):
        last = min(first + step, blocks.count)
        low, high = np.searchsorted(of_negatives, (first, last))
        rows = (of_negatives[low:high] - first) * width
        cells = np.concatenate([rows + side[negatives[low:high]] for side in sides])
        # How many negatives of each block each positive beats, twice, a tie once: from the left it counts as beaten,
        # from the right it does not.
        beaten = np.bincount(cells, minlength=(last - first) * width).reshape(-1, width).cumsum(axis=1)
        wins[present, first:last] = np.add.reduceat(beaten[:, by_block], starts, axis=1).T / 2.0
    return wins
