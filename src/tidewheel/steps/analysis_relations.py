"""What columns have to do with each other, with the target and with time; from a sample."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from tidewheel.statistics.association import Association, Variable, associate
from tidewheel.statistics.cells import Floats, Ints

MOST_COLUMNS = 40
"""Columns in the table of associations; their number is squared."""
_BINS = 10
_FEW = 12
_BUCKETS = 60
_STEPS_US = [seconds * 1_000_000 for seconds in (60, 300, 900, 3_600, 21_600, 86_400, 604_800, 2_629_746, 31_556_952)]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two columns and how strongly they go together."""

    first: str
    second: str
    association: Association


@dataclass(frozen=True, slots=True)
class TargetRelation:
    """How the target moves with a column.

    Args:
        column: its name.
        association: of both; None when it cannot be computed.
        missing_strength: of the target with the column being missing, 0..1.
        bins: label, rows, mean of the target; the last may be the rows where the column is missing.
    """

    column: str
    association: Association | None
    missing_strength: float
    bins: tuple[tuple[str, int, float], ...]

    @property
    def strength(self) -> float:
        """The larger of both, 0..1."""
        return max(abs(self.association.strength) if self.association else 0.0, self.missing_strength)


@dataclass(frozen=True, slots=True)
class Target:
    """The column that is to be predicted.

    Args:
        name: of the column.
        meaning: what its mean is, such as `mean of delay` or `share of 'late'`.
        relations: with every other column, the strongest first.
    """

    name: str
    meaning: str
    relations: tuple[TargetRelation, ...]


@dataclass(frozen=True, slots=True)
class TimeCourse:
    """Means over time, in buckets of equal length.

    Args:
        name: of the time column.
        starts: of the buckets, microseconds since 1970; `step` is their length.
        rows: sampled rows in each.
        means: by column: mean of numbers, None where there is none.
        missing: by column that is sometimes missing: share of rows without a value.
    """

    name: str
    starts: tuple[float, ...]
    step: float
    rows: tuple[int, ...]
    means: dict[str, tuple[float | None, ...]]
    missing: dict[str, tuple[float | None, ...]]


@dataclass(frozen=True, slots=True)
class MissingPattern:
    """Columns that are missing in the same rows, and in how many of the sampled rows exactly these are."""

    columns: tuple[str, ...]
    row_count: int


def missing_patterns(variables: list[Variable], most: int = 12) -> tuple[MissingPattern, ...]:
    """Which columns are missing together, the most frequent first; rows that have all values are left out.

    Example:
        >>> a, b = (Variable(name, np.array([1.0, np.nan, np.nan])) for name in "ab")
        >>> missing_patterns([a, b])
        (MissingPattern(columns=('a', 'b'), row_count=2),)
    """
    gaps = [variable for variable in variables if not variable.present.all()]
    if not gaps:
        return ()
    table = np.stack([~variable.present for variable in gaps], axis=1)
    found, counts = np.unique(table, axis=0, return_counts=True)
    patterns = [
        MissingPattern(tuple(gap.name for gap, is_gone in zip(gaps, row, strict=True) if is_gone), int(count))
        for row, count in zip(found, counts, strict=True)
        if row.any()
    ]
    return tuple(sorted(patterns, key=lambda one: (-one.row_count, one.columns))[:most])


def all_pairs(variables: list[Variable]) -> list[Pair]:
    """Every two columns that can be set against each other, the strongest first."""
    used = variables[:MOST_COLUMNS]
    pairs = [
        Pair(first.name, second.name, found)
        for at, first in enumerate(used)
        for second in used[at + 1 :]
        if (found := associate(first, second)) is not None
    ]
    return sorted(pairs, key=lambda pair: (-abs(pair.association.strength), pair.first, pair.second))


def relate_to_target(target: Variable, variables: list[Variable]) -> Target:
    """The target against every other column."""
    meaning, numbers = _as_numbers(target)
    known = np.isfinite(numbers)
    relations = []
    for variable in variables:
        if variable.name == target.name:
            continue
        missing = Variable("missing", np.where(variable.present, 0.0, 1.0))
        by_missing = associate(missing, target)
        relations.append(
            TargetRelation(
                variable.name,
                associate(variable, target),
                abs(by_missing.strength) if by_missing else 0.0,
                _target_bins(variable, numbers, known),
            )
        )
    ordered = sorted(relations, key=lambda relation: (-relation.strength, relation.column))
    return Target(target.name, meaning, tuple(ordered))


def over_time(time: Variable, variables: list[Variable]) -> TimeCourse | None:
    """How columns move with time; None when the time column has fewer than two moments."""
    moments = time.values[time.present]
    if not len(moments) or moments.min() == moments.max():
        return None
    step = bucket_length(float(moments.min()), float(moments.max()))
    first = math.floor(float(moments.min()) / step)
    count = math.floor(float(moments.max()) / step) - first + 1
    buckets = (np.floor(moments / step) - first).astype(np.int64)
    rows = np.bincount(buckets, minlength=count)
    means: dict[str, tuple[float | None, ...]] = {}
    missing: dict[str, tuple[float | None, ...]] = {}
    for variable in variables:
        if variable.name == time.name:
            continue
        present = variable.present[time.present]
        if not variable.is_category and not variable.is_time:
            means[variable.name] = _means(
                buckets[present], variable.values[time.present][present].astype(np.float64), count
            )
        if not present.all():
            missing[variable.name] = _means(buckets, (~present).astype(np.float64), count)
    starts = tuple(float((first + at) * step) for at in range(count))
    return TimeCourse(time.name, starts, step, tuple(rows.tolist()), means, missing)


def bucket_length(first: float, last: float) -> float:
    """The shortest customary length of which no more than sixty fit, in microseconds."""
    span = last - first
    return float(next((step for step in _STEPS_US if span / step <= _BUCKETS), math.ceil(span / _BUCKETS)))


def _as_numbers(target: Variable) -> tuple[str, Floats]:
    if not target.is_category:
        values = target.values.astype(np.float64)
        present = values[target.present]
        is_flag = len(present) > 0 and bool(np.isin(present, (0.0, 1.0)).all())
        return f"share of {target.name}" if is_flag else f"mean of {target.name}", values
    counts = np.bincount(target.values[target.present].astype(np.int64), minlength=len(target.labels))
    # Of two classes the rare one is what people look for; of many the most frequent says most.
    code = int(np.argmin(counts)) if len(counts) == 2 else int(np.argmax(counts))
    values = np.where(target.present, (target.values == code).astype(np.float64), np.nan)
    return f"share of {target.name} = {target.labels[code]!r}", values


def _target_bins(variable: Variable, target: Floats, known: Any) -> tuple[tuple[str, int, float], ...]:
    codes, labels = _binned(variable)
    found = []
    for code, label in enumerate(labels):
        rows = known & (codes == code)
        if rows.any():
            found.append((label, int(rows.sum()), float(target[rows].mean())))
    rows = known & (codes < 0)
    if rows.any():
        found.append(("(missing)", int(rows.sum()), float(target[rows].mean())))
    return tuple(found)


def _binned(variable: Variable) -> tuple[Ints, list[str]]:
    if variable.is_category:
        kept = min(len(variable.labels), _FEW)
        labels = [*variable.labels[:kept]]
        if kept < len(variable.labels):
            labels[-1] = "(others)"
        return np.minimum(variable.values.astype(np.int64), kept - 1), labels
    present = variable.present
    values = variable.values[present]
    codes: Ints = np.full(len(variable.values), -1, dtype=np.int64)
    distinct = np.unique(values)
    if not len(distinct):
        return codes, []
    if len(distinct) <= _FEW:
        codes[present] = np.searchsorted(distinct, values)
        return codes, [_number(value, is_time=variable.is_time) for value in distinct]
    edges = np.unique(np.quantile(values, np.linspace(0, 1, _BINS + 1)))
    codes[present] = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(edges) - 2)
    texts = [_number(edge, is_time=variable.is_time) for edge in edges]
    return codes, [f"{low} … {high}" for low, high in pairwise(texts)]


def _number(value: float, *, is_time: bool) -> str:
    if is_time:
        return str(np.datetime64(int(value), "us").astype("datetime64[m]")).replace("T", " ")
    return f"{value:.4g}" if abs(value) < 1e6 else f"{value:.3e}"


def _means(buckets: Ints, values: Floats, count: int) -> tuple[float | None, ...]:
    rows = np.bincount(buckets, minlength=count)
    with np.errstate(over="ignore", invalid="ignore"):
        sums = np.bincount(buckets, weights=values, minlength=count)
    return tuple(
        float(total / number) if number and math.isfinite(total) else None
        for total, number in zip(sums.tolist(), rows.tolist(), strict=True)
    )
