"""Probabilities that a difference is chance, and their correction for looking often. Rows are taken as independent."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from tidewheel.statistics.cells import Floats


def kolmogorov_smirnov_p(distance: float, first_count: int, second_count: int) -> float:
    """Of a Kolmogorov-Smirnov distance of two samples (asymptotic; too large, that is careful, for tied values).

    Example:
        >>> round(kolmogorov_smirnov_p(0.1, 500, 500), 3)
        0.012
    """
    size = first_count * second_count / (first_count + second_count)
    scaled = distance * (math.sqrt(size) + 0.12 + 0.11 / math.sqrt(size))
    if scaled < 0.3:
        return 1.0
    terms = ((-1) ** (k - 1) * math.exp(-2.0 * k * k * scaled * scaled) for k in range(1, 101))
    return min(1.0, max(0.0, 2.0 * math.fsum(terms)))


def same_shares_p(first: Floats, second: Floats) -> float:
    """Pearson's test that two histograms on the same bins come from one distribution; bins in which fewer than five
    rows are expected are put together.

    Example:
        >>> round(same_shares_p(np.array([50.0, 50.0]), np.array([60.0, 40.0])), 3)
        0.155
    """
    total = first.sum() + second.sum()
    smaller = min(first.sum(), second.sum())
    is_rare = (first + second) * smaller / total < 5
    table = np.stack([_put_together(one, is_rare) for one in (first, second)])
    table = table[:, table.sum(axis=0) > 0]
    if table.shape[1] < 2:
        return 1.0
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / total
    return chi_square_tail(float(((table - expected) ** 2 / expected).sum()), table.shape[1] - 1)


def chi_square_tail(statistic: float, degrees: int) -> float:
    """The probability of a larger value of the chi-square distribution (Press et al., Numerical Recipes, 6.2).

    Example:
        >>> round(chi_square_tail(3.841, 1), 4)
        0.05
    """
    shape, limit = degrees / 2, statistic / 2
    if limit <= 0:
        return 1.0
    head = math.exp(-limit + shape * math.log(limit) - math.lgamma(shape))
    if limit < shape + 1:
        return max(0.0, 1.0 - head * _series(shape, limit))
    return min(1.0, head * _continued_fraction(shape, limit))


def holm(probabilities: Sequence[float]) -> list[float]:
    """Adjusted probabilities: calling those below a level significant errs in one of all with at most that probability
    (Holm 1979).

    Example:
        >>> holm([0.01, 0.04, 0.03])
        [0.03, 0.06, 0.06]
    """
    order = sorted(range(len(probabilities)), key=probabilities.__getitem__)
    adjusted, highest = [0.0] * len(probabilities), 0.0
    for rank, index in enumerate(order):
        highest = max(highest, min(1.0, probabilities[index] * (len(probabilities) - rank)))
        adjusted[index] = highest
    return adjusted


def _put_together(counts: Floats, is_rare: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Floats:
    return np.append(counts[~is_rare], counts[is_rare].sum())


def _series(shape: float, limit: float) -> float:
    term = total = 1.0 / shape
    for step in range(1, 10_000):
        term *= limit / (shape + step)
        total += term
        if term < total * 1e-15:
            break
    return total


def _continued_fraction(shape: float, limit: float) -> float:
    tiny = 1e-300
    b = limit + 1.0 - shape
    c, d = 1.0 / tiny, 1.0 / b
    result = d
    for step in range(1, 10_000):
        a = -step * (step - shape)
        b += 2.0
        d = 1.0 / (a * d + b or tiny)
        c = b + a / c or tiny
        result *= d * c
        if abs(d * c - 1.0) < 1e-15:
            break
    return result
