"""One card for each column: its distribution and the figures people ask for."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from html import escape
from itertools import pairwise

import numpy as np

from tidewheel.statistics import ColumnProfile, Profile
from tidewheel.statistics.cells import Floats
from tidewheel.steps import analysis_charts as charts

_BINS = 32
_SINGLE = 24
"""Up to so many different numbers have a bar each."""
_TOP = 8


def column_cards(profile: Profile, reference: Profile | None) -> str:
    """All cards, in the order of the table."""
    before = {column.name: column for column in reference.columns} if reference is not None else {}
    return f'<div class="cards">{"".join(_card(column, before.get(column.name)) for column in profile.columns)}</div>'


def moment(microseconds: float, *, with_time: bool = True) -> str:
    """A time as text.

    Example:
        >>> moment(1356998400000000.0)
        '2013-01-01 00:00'
    """
    try:
        found = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=round(microseconds))
    except OverflowError:
        return f"year {microseconds / 31_556_952_000_000 + 1970:.0f}"
    return found.strftime("%Y-%m-%d %H:%M" if with_time else "%Y-%m-%d")


def _card(column: ColumnProfile, before: ColumnProfile | None) -> str:
    same = before if before is not None and before.kind == column.kind else None
    facts = "".join(f"<div><dt>{name}</dt><dd>{escape(value)}</dd></div>" for name, value in _facts(column))
    return (
        f'<section class="card"><header><h3>{escape(charts.short(column.name, 60)) or charts.EMPTY}</h3>'
        f'<span class="type" title="{escape(column.type)}">{escape(column.type)}</span></header>'
        f"{_chart(column, same)}<dl>{facts}</dl></section>"
    )


def _chart(column: ColumnProfile, before: ColumnProfile | None) -> str:
    if not column.value_count:
        return '<p class="dim">no value</p>'
    if column.kind == "text" and (column.frequent.counts or not column.cells.total):
        return _top_texts(column, before)
    if not column.cells.total:
        return '<p class="dim">values are not looked into</p>'
    if column.kind == "boolean" or (column.is_ordered and column.cells.is_exact and len(column.cells.keys) <= _SINGLE):
        return _single_values(column, before)
    return _histogram(column, before)


def _top_texts(column: ColumnProfile, before: ColumnProfile | None) -> str:
    top = column.frequent.top(_TOP)
    total = max(1, column.value_count)
    rows = [(value, count / total, charts.percent(count / total)) for value, count in top]
    rest = total - sum(count for _, count in top)
    if rest > 0:
        others = max(0, column.distinct_count - len(top))
        rows.append((f"{others:,} others", rest / total, charts.percent(rest / total)))
    if before is None or not before.value_count:
        return charts.rows_of_bars(rows)
    old = [before.frequent.counts.get(value, 0) / before.value_count for value, _ in top]
    if rest > 0:
        old.append(max(0.0, 1 - sum(old)))
    return charts.rows_of_bars(rows, other=old)


def _single_values(column: ColumnProfile, before: ColumnProfile | None) -> str:
    values, counts = column.cells.values, column.cells.counts / column.cells.total
    names = [_value(column, value) for value in values.tolist()]
    old = None
    if before is not None and before.cells.total:
        limits = np.concatenate([values, [np.inf]])
        old = (np.diff(before.cells.counts_below(limits)) / before.cells.total).tolist()
    if column.kind == "boolean" or len(names) <= 2:
        rows = [(name, share, charts.percent(share)) for name, share in zip(names, counts.tolist(), strict=True)]
        return charts.rows_of_bars(rows, other=old, highest=1.0)
    return charts.bars(counts.tolist(), names, (names[0], names[-1]), other=old)


def _histogram(column: ColumnProfile, before: ColumnProfile | None) -> str:
    edges = _edges(column)
    shares = column.cells.histogram(edges) / column.cells.total
    old = None
    if before is not None and before.cells.total:
        old = (before.cells.histogram(edges) / before.cells.total).tolist()
    names = [_value(column, edge) for edge in edges.tolist()]
    labels = [f"{low} … {high}" for low, high in pairwise(names)]
    outside = 1 - float(shares.sum())
    note = f'<p class="dim">{charts.percent(outside)} lie outside</p>' if outside > 1e-9 else ""
    unit = {"text": " characters", "binary": " bytes", "nested": " items"}.get(column.kind, "")
    return charts.bars(shares.tolist(), labels, (names[0] + unit, names[-1] + unit), other=old) + note


def _edges(column: ColumnProfile) -> Floats:
    """Equal bins over what is not far out, so that one outlier does not flatten all."""
    cells = column.cells
    low, first, third, high = cells.quantiles([0, 0.25, 0.75, 1]).tolist()
    if column.kind != "time":
        reach = 4 * (third - first)
        near = cells.quantiles([0.005, 0.995]).tolist()
        if reach > 0 and low < first - reach:
            low = max(low, min(near[0], first - 1.5 * (third - first)))
        if reach > 0 and high > third + reach:
            high = min(high, max(near[1], third + 1.5 * (third - first)))
    if not math.isfinite(high - low):
        low, high = low / 4, high / 4
    if high <= low:
        high = np.nextafter(low, np.inf)
    if cells.is_exact and cells.values.size and np.all(cells.values == np.round(cells.values)):
        # Bins of whole width hold equally many whole numbers; others would look like a comb.
        width = max(1.0, math.ceil((high - low + 1) / _BINS))
        edges: Floats = low + width * np.arange(math.ceil((high - low + 1) / width) + 1)
        return edges
    return np.linspace(low, high, _BINS + 1)


def _facts(column: ColumnProfile) -> list[tuple[str, str]]:
    facts = [("missing", charts.percent(column.missing_share))]
    if column.kind not in ("nested", "empty"):
        about = "" if column.is_distinct_exact else "≈ "
        facts.append(("different", about + charts.number(column.distinct_count)))
    if column.nan_count:
        facts.append(("NaN", f"{column.nan_count:,}"))
    if any(column.infinite_counts):
        facts.append(("infinite", f"{sum(column.infinite_counts):,}"))
    if column.empty_count:
        facts.append(("empty", f"{column.empty_count:,}"))
    if column.kind in ("number", "time") and column.cells.total:
        middle = column.cells.quantiles([0.5]).tolist()[0]
        facts += [("least", _value(column, column.minimum)), ("median", _value(column, middle))]
        facts.append(("greatest", _value(column, column.maximum)))
        if column.kind == "number":
            facts += [
                ("mean", charts.number(column.moments.mean)),
                ("std. dev.", charts.number(column.moments.deviation)),
            ]
    elif column.kind == "text" and column.cells.total:
        low, high = column.cells.quantiles([0, 1]).tolist()
        facts.append(("length", f"{low:,.0f}" if low == high else f"{low:,.0f} … {high:,.0f}"))
    return facts


def _value(column: ColumnProfile, value: float | int | None) -> str:
    if value is None:
        return "–"
    if column.kind == "boolean":
        return "true" if value else "false"
    if column.kind == "time":
        return moment(value, with_time="date" not in column.type)
    if column.type.startswith("duration"):
        return f"{charts.number(value)} s"
    # Years and codes are no quantities: only from 10,000 do thousands need to be set apart.
    if float(value).is_integer() and abs(value) < 10_000:
        return f"{value:.0f}"
    return charts.number(value)
