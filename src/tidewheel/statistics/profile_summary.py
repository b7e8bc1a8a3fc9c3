"""A profile as JSON types, for people and programs."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

from tidewheel.statistics.column_profile import ColumnProfile

QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
TOP = 20
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def summarize_column(column: ColumnProfile) -> dict[str, Any]:
    """One column; what does not apply to its kind is left out."""
    facts: dict[str, Any] = {
        "name": column.name,
        "type": column.type,
        "kind": column.kind,
        "rows": column.row_count,
        "nulls": column.null_count,
        "nan": column.nan_count,
        "missing_share": column.missing_share,
        "distinct": column.distinct_count,
        "distinct_is_exact": column.is_distinct_exact,
    }
    if any(column.infinite_counts):
        facts["infinite"] = {"negative": column.infinite_counts[0], "positive": column.infinite_counts[1]}
    if column.kind in ("text", "binary", "nested"):
        facts["empty"] = column.empty_count
        facts["lengths"] = _quantiles(column, is_time=False)
    if column.kind in ("number", "time"):
        facts |= _numbers(column)
    counts = column.value_counts(TOP)
    if counts:
        is_time = column.kind == "time"
        facts["values"] = [{"value": shown(value, is_time=is_time), "count": count} for value, count in counts]
        facts["values_error"] = column.frequent.error
    return facts


def shown(number: Any, *, is_time: bool) -> Any:
    """A number as JSON has it: microseconds as ISO text, what is not finite as None.

    Example:
        >>> shown(1356998400000000.0, is_time=True), shown(float("nan"), is_time=False)
        ('2013-01-01T00:00:00+00:00', None)
    """
    if isinstance(number, float) and not math.isfinite(number):
        return None
    if not is_time or number is None:
        return number
    try:
        return (_EPOCH + timedelta(microseconds=round(number))).isoformat()
    except OverflowError:  # years that Python's calendar does not have
        return f"{number / 31_556_952_000_000 + 1970:.0f}"


def _numbers(column: ColumnProfile) -> dict[str, Any]:
    is_time = column.kind == "time"
    facts = {
        "minimum": shown(column.minimum, is_time=is_time),
        "maximum": shown(column.maximum, is_time=is_time),
        "mean": shown(column.moments.mean if column.moments.count else None, is_time=is_time),
        "quantiles": _quantiles(column, is_time=is_time),
    }
    if not is_time:
        facts["deviation"] = column.moments.deviation
    return facts


def _quantiles(column: ColumnProfile, *, is_time: bool) -> dict[str, Any]:
    if not len(column.cells.keys):
        return {}
    found = column.cells.quantiles(QUANTILES).tolist()
    return {f"{share:g}": shown(number, is_time=is_time) for share, number in zip(QUANTILES, found, strict=True)}
