"""The preparation that a table needs before a model can learn from it, read off its profile (paper: data analysis)."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from tidewheel.statistics import ColumnProfile, Profile
from tidewheel.steps.analysis_relations import Pair, Target

Topic = Literal[
    "schema", "missing", "constant", "identifier", "cardinality", "skew", "outliers", "infinite", "types",
    "placeholder", "spelling", "redundant", "leakage", "target", "time zone", "precision", "nested",
]  # fmt: skip

_MUCH_MISSING, _NEARLY_CONSTANT, _NEARLY_UNIQUE = 0.5, 0.99, 0.95
_MANY_VALUES = 50
_SKEWED = 0.4
_FAR = 6.0
"""Interquartile ranges beyond the quartiles; of normal rows none in 10 ** 16 lies there."""
_LEAKING, _SAME = 0.95, 0.99
_PLACEHOLDERS = frozenset({"n/a", "na", "nan", "null", "none", "-", "--", "?", "unknown", "missing", "undefined"})
_SENTINELS = frozenset({-999.0, -9999.0, -99.0, 999.0, 9999.0, 99999.0, 999999.0, -1e9, 1e9})
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?")


@dataclass(frozen=True, slots=True)
class PreparationWork:
    """One thing to do.

    Args:
        column: its name; empty for the table.
        topic: what it is about.
        is_urgent: whether a model would fail or deceive without it.
        finding: what was seen, with numbers.
        suggestion: what to do.
    """

    column: str
    topic: Topic
    is_urgent: bool
    finding: str
    suggestion: str


def preparation_work(profile: Profile, pairs: Sequence[Pair], target: Target | None) -> tuple[PreparationWork, ...]:
    """All that a profile, and what columns have to do with each other, suggests; the urgent first.

    Args:
        profile: of the table.
        pairs: its columns two by two.
        target: the column to be predicted, when there is one.
    """
    if not profile.row_count:
        return (PreparationWork("", "schema", True, "the table has no rows", "ingest rows first"),)
    name = target.name if target else ""
    found = [work for column in profile.columns for work in _of_column(column, is_target=column.name == name)]
    found += _redundant(pairs, name, frozenset(column.name for column in profile.columns if _is_running(column)))
    if target is not None:
        found += _leaking(target)
    order = {column.name: at for at, column in enumerate(profile.columns)}
    return tuple(sorted(found, key=lambda work: (not work.is_urgent, order.get(work.column, -1), work.topic)))


def _of_column(column: ColumnProfile, *, is_target: bool) -> Iterator[PreparationWork]:
    if is_target:
        yield from _target(column)
    else:
        yield from _missing(column)
    if column.kind == "nested":
        yield _work(column, "nested", f"values are {column.type}", "flatten it into columns, or leave it out")
        return
    yield from _variety(column)
    if column.kind == "text":
        yield from _texts(column)
    if column.kind == "number":
        yield from _numbers(column)
    if column.kind == "time" and column.type.startswith("timestamp") and "tz=" not in column.type:
        yield _work(
            column, "time zone", "times have no time zone", "say which zone they are in, or convert them to UTC"
        )


def _target(column: ColumnProfile) -> Iterator[PreparationWork]:
    if column.missing_count:
        seen = f"{_share(column.missing_share)} of the rows have no target"
        yield _work(column, "target", seen, "leave these rows out of training and evaluation; ask why", is_urgent=True)
    counts = column.value_counts()
    if counts and 2 <= len(counts) <= 20 and counts[-1][1] < 0.05 * column.value_count:
        value, count = counts[-1]
        seen = f"the class {value!r} has only {count:,} rows, {_share(count / column.value_count)}"
        yield _work(column, "target", seen, "evaluate by precision and recall, not accuracy; weight the classes")


def _missing(column: ColumnProfile) -> Iterator[PreparationWork]:
    share = column.missing_share
    if share == 1:
        yield _work(column, "missing", "it has no value at all", "leave it out, or mend its source", is_urgent=True)
    elif share >= _MUCH_MISSING:
        yield _work(
            column, "missing", f"{_share(share)} of its values are missing", "use whether it is there, or drop it"
        )
    elif share > 0:
        parts = []
        if column.null_count:
            parts.append(f"{column.null_count:,} null")
        if column.nan_count:
            parts.append(f"{column.nan_count:,} NaN")
        fill = "the median" if column.kind == "number" else "a value of its own"
        seen = f"{_share(share)} missing ({' and '.join(parts)})"
        yield _work(
            column, "missing", seen, f"fill in {fill} and add a column that says so, or use a model that takes it"
        )


def _variety(column: ColumnProfile) -> Iterator[PreparationWork]:
    counts = column.value_counts(1)
    if column.is_constant:
        value = f": {_short(counts[0][0])}" if counts and column.kind != "time" else ""
        yield _work(column, "constant", f"every row that has a value has the same{value}", "leave it out")
    elif counts and counts[0][1] >= _NEARLY_CONSTANT * column.value_count:
        seen = f"{_share(counts[0][1] / column.value_count)} of the values are {_short(counts[0][0])}"
        yield _work(column, "constant", seen, "leave it out, or keep only whether it differs")
    elif column.kind == "text" and column.value_count >= 100:
        distinct = column.distinct_count
        if distinct >= _NEARLY_UNIQUE * column.value_count:
            seen = f"about {distinct:,} different texts in {column.value_count:,} rows"
            yield _work(column, "identifier", seen, "use it as a key or parse it; it is no category")
        elif distinct > _MANY_VALUES:
            seen = f"{'' if column.is_distinct_exact else 'about '}{distinct:,} categories"
            yield _work(column, "cardinality", seen, "encode by target statistics or hashing, or group the rare ones")
    elif _is_running(column):
        span = (column.maximum or 0) - (column.minimum or 0) + 1
        if span <= 1.1 * column.value_count:
            yield _work(
                column, "identifier", "nearly every row has its own whole number", "it counts rows: leave it out"
            )


def _is_running(column: ColumnProfile) -> bool:
    """Whether nearly every row has a whole number of its own, as rows that are counted have."""
    is_whole = column.kind == "number" and column.type.startswith(("int", "uint"))
    return is_whole and column.value_count >= 100 and column.distinct_count >= _NEARLY_UNIQUE * column.value_count


def _texts(column: ColumnProfile) -> Iterator[PreparationWork]:
    if column.empty_count:
        seen = f"{column.empty_count:,} empty texts beside {column.null_count:,} nulls"
        yield _work(column, "placeholder", seen, "decide on one form of missing and convert the other")
    values = column.frequent.counts
    placeholders = sorted(value for value in values if value.strip().lower() in _PLACEHOLDERS)
    if placeholders:
        rows = sum(values[value] for value in placeholders)
        seen = f"{', '.join(map(_short, placeholders[:5]))} in {rows:,} rows look like missing values"
        yield _work(column, "placeholder", seen, "read them as null")
    folded: dict[str, list[str]] = {}
    for value in values:
        folded.setdefault(" ".join(value.split()).casefold(), []).append(value)
    alike = [sorted(group) for group in folded.values() if len(group) > 1]
    if alike:
        shown = "; ".join(" = ".join(map(_short, group[:3])) for group in sorted(alike)[:3])
        yield _work(
            column, "spelling", f"{len(alike):,} values differ only in case or spaces: {shown}", "normalise them"
        )
    yield from _text_types(column)


def _text_types(column: ColumnProfile) -> Iterator[PreparationWork]:
    values = {value: count for value, count in column.frequent.counts.items() if value.strip()}
    total = sum(values.values())
    for pattern, meaning, type_ in ((_NUMBER, "numbers", "a numeric type"), (_DATE, "times", "a timestamp with zone")):
        fitting = sum(count for value, count in values.items() if pattern.fullmatch(value.strip()))
        if total and fitting >= 0.95 * total:
            seen = f"{_share(fitting / total)} of its texts are {meaning}"
            yield _work(column, "types", seen, f"read it as {type_}, unless it is a code", is_urgent=fitting < total)


def _numbers(column: ColumnProfile) -> Iterator[PreparationWork]:
    infinite = sum(column.infinite_counts)
    if infinite:
        seen = f"{column.infinite_counts[0]:,} rows are -infinity, {column.infinite_counts[1]:,} +infinity"
        yield _work(
            column, "infinite", seen, "find the division or overflow that made them; set them to null", is_urgent=True
        )
    if any(isinstance(limit, int) and abs(limit) > 2**53 for limit in (column.minimum, column.maximum)):
        yield _work(
            column, "precision", "whole numbers beyond 2^53", "a float rounds them: keep them as integers or texts"
        )
    low, first, middle, third, high = column.cells.quantiles([0.05, 0.25, 0.5, 0.75, 0.95]).tolist()
    counts = dict(column.value_counts() or ())
    odd = [value for value in counts if value in _SENTINELS and (value < low or value > high or value in (low, high))]
    is_apart = [value for value in odd if abs(value - middle) > 3 * (third - first)]
    if is_apart and column.distinct_count > 3:
        shown = ", ".join(f"{value:g} ({counts[value]:,} rows)" for value in sorted(is_apart))
        yield _work(
            column, "placeholder", f"{shown} may stand for a missing value", "read it as null if so", is_urgent=True
        )
    if column.is_constant or column.distinct_count < 10:
        return
    if high > low and abs(high + low - 2 * middle) / (high - low) > _SKEWED:
        side = "right" if high + low > 2 * middle else "left"
        by = "a logarithm" if (column.minimum or 0) >= 0 and side == "right" else "ranks or quantiles"
        seen = f"skewed to the {side}: median {middle:.4g}, 95 % of the values below {high:.4g}"
        yield _work(column, "skew", seen, f"transform it by {by} for models that need it; trees do not")
    yield from _outliers(column, first, third)


def _outliers(column: ColumnProfile, first: float, third: float) -> Iterator[PreparationWork]:
    reach = _FAR * (third - first)
    if not reach > 0:
        return
    values, counts = column.cells.values, column.cells.counts
    is_far = (values < first - reach) | (values > third + reach)
    rows = int(counts[is_far].sum())
    if rows and rows < 0.02 * column.cells.total:
        seen = f"{rows:,} rows beyond {first - reach:.4g} … {third + reach:.4g}, up to {values[is_far].max():.4g}"
        if values[is_far].max() < third:
            seen = f"{rows:,} rows below {first - reach:.4g}, down to {values[is_far].min():.4g}"
        yield _work(column, "outliers", seen, "check some of them; clip, flag or quarantine by the table's contract")


def _redundant(pairs: Sequence[Pair], target: str, running: Collection[str]) -> Iterator[PreparationWork]:
    for pair in pairs:
        strength = abs(pair.association.strength)
        # Of categories only: two rankings may agree and still say different things.
        if strength < _SAME or target in (pair.first, pair.second):
            continue
        kept, left, todo = pair.first, pair.second, "keep one of the two"
        if (kept in running) != (left in running):
            kept, left = (left, kept) if kept in running else (kept, left)
            todo = f"leave it out: it numbers the rows in the order of {kept!r}"
        seen = f"says nearly the same as {kept!r} ({pair.association.measure} {strength:.3f})"
        yield PreparationWork(left, "redundant", False, seen, todo)


def _leaking(target: Target) -> Iterator[PreparationWork]:
    for relation in target.relations:
        by_value = abs(relation.association.strength) if relation.association else 0.0
        if by_value >= _LEAKING:
            seen = f"alone nearly decides the target ({by_value:.3f})"
        elif relation.missing_strength >= 0.5:
            seen = f"whether it is missing goes with the target ({relation.missing_strength:.3f})"
        else:
            continue
        todo = "make sure that it is known before the prediction is asked for; else leave it out"
        yield PreparationWork(relation.column, "leakage", True, seen, todo)


def _work(
    column: ColumnProfile, topic: Topic, finding: str, suggestion: str, *, is_urgent: bool = False
) -> PreparationWork:
    return PreparationWork(column.name, topic, is_urgent, finding, suggestion)


def _share(share: float) -> str:
    percent = 100 * share
    if 0 < percent < 0.1:
        return "less than 0.1 %"
    return "more than 99.9 %" if 99.9 < percent < 100 else f"{percent:.1f} %"


def _short(value: object) -> str:
    text = f"{value:g}" if isinstance(value, float) else repr(value)
    return text if len(text) <= 40 else f"{text[:39]}…"
