"""How strongly two columns go together, for numbers and categories in any mix, on one scale: 0 not at all, 1 fully."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt

from tidewheel.statistics.cells import Floats, Ints

Measure = Literal["spearman", "cramers_v", "correlation_ratio"]


@dataclass(frozen=True, eq=False)
class Variable:
    """A column of a sample.

    Args:
        name: of the column.
        values: numbers with NaN where there is none; of a category the number of its label, -1 where there is none.
        labels: of a category; empty for numbers.
        is_time: the numbers are microseconds since 1970.
    """

    name: str
    values: Floats | Ints
    labels: tuple[str, ...] = ()
    is_time: bool = False

    @property
    def is_category(self) -> bool:
        """Whether the values have no order."""
        return bool(self.labels)

    @cached_property
    def ranks(self) -> Floats:
        """Of numbers that are all there; they are wanted once for every other column."""
        return ranks(self.values)

    @cached_property
    def present(self) -> npt.NDArray[np.bool_]:
        """Where there is a value."""
        return self.values >= 0 if self.is_category else np.isfinite(self.values)


@dataclass(frozen=True, slots=True)
class Association:
    """What was found of two columns.

    Args:
        strength: 0..1; of two columns of numbers with the sign of the rank correlation.
        measure: rank correlation of numbers (Spearman), of categories Cramér's V, of both the correlation ratio of
            ranks; the last two corrected for the number of categories.
        row_count: rows where both have a value.
    """

    strength: float
    measure: Measure
    row_count: int


def associate(first: Variable, second: Variable) -> Association | None:
    """The association of two columns of one sample; None when fewer than three rows have both, or one is constant.

    Example:
        >>> delay = Variable("delay", np.array([1.0, 2.0, 3.0, 40.0]))
        >>> late = Variable("late", np.array([0, 0, 1, 1]), ("no", "yes"))
        >>> associate(delay, Variable("twice", delay.values * 2)).strength
        1.0
        >>> associate(delay, late).measure
        'correlation_ratio'
    """
    both = first.present & second.present
    count = int(both.sum())
    if count < 3:
        return None
    a, b = first.values[both], second.values[both]
    if (a == a[0]).all() or (b == b[0]).all():
        return None
    if first.is_category and second.is_category:
        return Association(_cramers_v(a.astype(np.int64), b.astype(np.int64)), "cramers_v", count)
    is_whole = count == len(both)
    if first.is_category:
        ranked = second.ranks if is_whole else ranks(b)
        return Association(_correlation_ratio(a.astype(np.int64), ranked), "correlation_ratio", count)
    ranked = first.ranks if is_whole else ranks(a)
    if second.is_category:
        return Association(_correlation_ratio(b.astype(np.int64), ranked), "correlation_ratio", count)
    return Association(_correlation(ranked, second.ranks if is_whole else ranks(b)), "spearman", count)


def ranks(values: Floats | Ints) -> Floats:
    """Places in ascending order from 1, equal values sharing the mean of theirs.

    Example:
        >>> ranks(np.array([10.0, 5.0, 10.0])).tolist()
        [2.5, 1.0, 2.5]
    """
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    until = np.cumsum(counts)
    found: Floats = (until - (counts - 1) / 2)[inverse]
    return found


def _correlation(a: Floats, b: Floats) -> float:
    a, b = a - a.mean(), b - b.mean()
    scale = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return max(-1.0, min(1.0, round(float((a * b).sum()) / scale, 12))) if scale else 0.0


def _correlation_ratio(categories: Ints, values: Floats) -> float:
    _, codes, counts = np.unique(categories, return_inverse=True, return_counts=True)
    total = float(((values - values.mean()) ** 2).sum())
    free = len(values) - len(counts)
    if not total or free <= 0:
        return 0.0
    means = np.bincount(codes, weights=values) / counts
    within = float(((values - means[codes]) ** 2).sum())
    return float(np.sqrt(max(0.0, 1.0 - within / total * (len(values) - 1) / free)))


def _cramers_v(a: Ints, b: Ints) -> float:
    """With the correction of Bergsma (2013)."""
    _, a = np.unique(a, return_inverse=True)
    _, b = np.unique(b, return_inverse=True)
    rows, columns, count = int(a.max()) + 1, int(b.max()) + 1, len(a)
    table = np.bincount(a * columns + b, minlength=rows * columns).reshape(rows, columns).astype(np.float64)
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / count
    phi = float(((table - expected) ** 2 / expected).sum()) / count
    phi = max(0.0, phi - (rows - 1) * (columns - 1) / (count - 1))
    rows_left = rows - (rows - 1) ** 2 / (count - 1)
    columns_left = columns - (columns - 1) ** 2 / (count - 1)
    least = min(rows_left, columns_left) - 1
    return float(np.sqrt(min(1.0, phi / least))) if least > 0 else 0.0
