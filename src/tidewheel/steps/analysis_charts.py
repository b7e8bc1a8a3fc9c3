"""Charts as inline SVG: no script, no other file, sharp on any screen. Every text from the data is escaped."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

_WIDTH, _HEIGHT = 320.0, 120.0
_AXIS = 16.0


def bars(
    shares: Sequence[float], labels: Sequence[str], ends: tuple[str, str], *, other: Sequence[float] | None = None
) -> str:
    """A histogram: one bar for each share, tooltips, the two ends of the axis below.

    Args:
        shares: of the rows, one for each bin.
        labels: what each bin is, for its tooltip.
        ends: the texts under the first and last bin.
        other: shares in the same bins of what it is compared with, drawn as a line.
    """
    if not shares:
        return ""
    highest = max([*shares, *(other or ()), 1e-12])
    step, room = _WIDTH / len(shares), _HEIGHT - _AXIS - 4
    parts = []
    for at, (share, label) in enumerate(zip(shares, labels, strict=True)):
        height = room * share / highest
        told = f"{label}: {percent(share)}" + (f" (before {percent(other[at])})" if other else "")
        parts.append(
            f'<g><title>{escape(told)}</title><rect class="hit" x="{at * step:.2f}" y="0" width="{step:.2f}"'
            f' height="{_HEIGHT - _AXIS:g}"/><rect class="bar" x="{at * step + step * 0.06:.2f}"'
            f' y="{_HEIGHT - _AXIS - height:.2f}" width="{step * 0.88:.2f}" height="{height:.2f}"/></g>'
        )
    if other:
        points = []
        for at, share in enumerate(other):
            y = _HEIGHT - _AXIS - room * share / highest
            points += [f"{at * step:.2f},{y:.2f}", f"{(at + 1) * step:.2f},{y:.2f}"]
        parts.append(f'<polyline class="before" points="{" ".join(points)}"/>')
    left, right = (escape(short(end, 24)) for end in ends)
    parts.append(
        f'<line class="axis" x1="0" x2="{_WIDTH:g}" y1="{_HEIGHT - _AXIS:g}" y2="{_HEIGHT - _AXIS:g}"/>'
        f'<text x="0" y="{_HEIGHT - 3:g}">{left}</text>'
        f'<text x="{_WIDTH:g}" y="{_HEIGHT - 3:g}" text-anchor="end">{right}</text>'
    )
    return _svg(_WIDTH, _HEIGHT, parts, f"distribution from {ends[0]} to {ends[1]}")


def rows_of_bars(
    rows: Sequence[tuple[str, float, str]], *, other: Sequence[float] | None = None, highest: float = 0.0
) -> str:
    """Named bars below each other: label, size, text at its end.

    Args:
        rows: label, number, what to write behind the bar.
        other: numbers that each is compared with, drawn as a tick.
        highest: the number of a full bar; by default the largest.
    """
    full = highest or max([*(abs(number) for _, number, _ in rows), *(other or ()), 1e-12])
    lines = []
    for at, (label, number, text) in enumerate(rows):
        width = 100 * min(1.0, abs(number) / full)
        tick = f'<i class="tick" style="left:{100 * min(1.0, other[at] / full):.2f}%"></i>' if other else ""
        sign = " negative" if number < 0 else ""
        lines.append(
            f'<div class="row"><span class="label" title="{escape(label)}">{escape(short(label, 60)) or EMPTY}</span>'
            f'<span class="track"><i class="fill{sign}" style="width:{width:.2f}%"></i>{tick}</span>'
            f'<span class="number">{escape(text)}</span></div>'
        )
    return f'<div class="rows">{"".join(lines)}</div>'


EMPTY = '<em class="dim">(empty text)</em>'


def line(
    values: Sequence[float | None], labels: Sequence[str], ends: tuple[str, str], *, from_zero: bool = False
) -> str:
    """A course over time; gaps where there is no value. Its lowest and highest value stand at the left."""
    known = [value for value in values if value is not None]
    if not known:
        return ""
    low, high = (min(0.0, *known) if from_zero else min(known)), max(known)
    span = (high - low) or 1.0
    left, room = 46.0, _HEIGHT - _AXIS - 8
    step = (_WIDTH - left) / max(1, len(values) - 1)
    runs: list[list[str]] = [[]]
    dots = []
    for at, value in enumerate(values):
        if value is None:
            runs.append([])
            continue
        x, y = left + at * step, 4 + room * (1 - (value - low) / span)
        runs[-1].append(f"{x:.2f},{y:.2f}")
        dots.append(
            f'<g><title>{escape(labels[at])}: {number(value)}</title><rect class="hit" x="{x - step / 2:.2f}" y="0"'
            f' width="{max(step, 1):.2f}" height="{_HEIGHT - _AXIS:g}"/>'
            f'<circle class="dot" cx="{x:.2f}" cy="{y:.2f}" r="1.6"/></g>'
        )
    drawn = [f'<polyline class="line" points="{" ".join(run)}"/>' for run in runs if len(run) > 1]
    axis = (
        f'<text x="{left - 5:g}" y="12" text-anchor="end">{number(high)}</text>'
        f'<text x="{left - 5:g}" y="{_HEIGHT - _AXIS - 2:g}" text-anchor="end">{number(low)}</text>'
        f'<line class="axis" x1="{left:g}" x2="{_WIDTH:g}" y1="{_HEIGHT - _AXIS:g}" y2="{_HEIGHT - _AXIS:g}"/>'
        f'<text x="{left:g}" y="{_HEIGHT - 3:g}">{escape(ends[0])}</text>'
        f'<text x="{_WIDTH:g}" y="{_HEIGHT - 3:g}" text-anchor="end">{escape(ends[1])}</text>'
    )
    return _svg(_WIDTH, _HEIGHT, [axis, *drawn, *dots], f"course from {ends[0]} to {ends[1]}")


def heat(
    cells: Sequence[Sequence[float | None]],
    row_names: Sequence[str],
    column_names: Sequence[str],
    told: Sequence[Sequence[str]],
    *,
    is_slanted: bool = False,
) -> str:
    """A table of colours; cells are -1..1, the sign chooses the colour.

    Args:
        cells: rows of numbers, None where there is nothing.
        told: the tooltip of each.
        is_slanted: write the names of columns at an angle.
    """
    side = max(9.0, min(22.0, 560.0 / max(1, len(column_names))))
    # Names are cut at 22 characters, of which none is wider than 6.
    left = 8 + 5.8 * max((min(22, len(name)) for name in row_names), default=0)
    top = (8 + 4.6 * max((min(22, len(name)) for name in column_names), default=0)) if is_slanted else 14.0
    right = top * 0.8 if is_slanted else 4.0
    parts = []
    for at, name in enumerate(column_names):
        x = left + (at + 0.5) * side
        turn = f' transform="rotate(-50 {x:.1f} {top - 4:.1f})"' if is_slanted else ' text-anchor="middle"'
        parts.append(f'<text x="{x:.1f}" y="{top - 4:.1f}"{turn}>{escape(short(name, 22))}</text>')
    for row, name in enumerate(row_names):
        y = top + row * side
        parts.append(
            f'<text x="{left - 5:.1f}" y="{y + side / 2 + 3.5:.1f}" text-anchor="end">{escape(short(name, 22))}</text>'
        )
        for column, value in enumerate(cells[row]):
            if value is None:
                continue
            kind = "cold" if value < 0 else "warm"
            parts.append(
                f'<rect class="{kind}" x="{left + column * side:.1f}" y="{y:.1f}" width="{side - 1:.1f}"'
                f' height="{side - 1:.1f}" fill-opacity="{0.06 + 0.94 * min(1.0, abs(value)):.2f}">'
                f"<title>{escape(told[row][column])}</title></rect>"
            )
    width, height = left + side * len(column_names) + right, top + side * len(row_names) + 2
    return _svg(width, height, parts, "table of strengths", most=1.25, least=min(520.0, 1.25 * width))


def percent(share: float) -> str:
    """A share as people read it.

    Example:
        >>> percent(0.0312), percent(0), percent(0.00001), percent(1)
        ('3.1 %', '0 %', '< 0.1 %', '100 %')
    """
    if 0 < share < 0.001:
        return "< 0.1 %"
    return f"{100 * share:.1f}".removesuffix(".0") + " %"


def number(value: float | int | None) -> str:
    """A number in few characters.

    Example:
        >>> number(1234.5), number(12_345_678), number(0.000123), number(None), number(3.0)
        ('1,234', '12.3 M', '0.000123', '–', '3')
    """
    if value is None or not math.isfinite(value):
        return "–"
    size = abs(value)
    for limit, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M")):
        if limit <= size < 1e15:
            return f"{value / limit:.3g} {unit}"
    if size >= 1e15:
        return f"{value:.3g}"
    if size >= 1000 or (isinstance(value, int) or float(value).is_integer()):
        return f"{value:,.0f}"
    return f"{value:.3g}"


def short(text: str, length: int) -> str:
    """The text, or its beginning; line breaks and the like become spaces, a text of spaces alone shows them."""
    plain = " ".join(text.split()) if text.strip() else "␣" * len(text)
    return plain if len(plain) <= length else f"{plain[: length - 1]}…"


def _svg(
    width: float, height: float, parts: Sequence[str], description: str, *, most: float = 1.7, least: float = 0.0
) -> str:
    style = f"min-width:{least:.0f}px;max-width:{width * most:.0f}px"
    return (
        f'<svg viewBox="0 0 {width:.0f} {height:.0f}" style="{style}" role="img"'
        f' aria-label="{escape(description)}">{"".join(parts)}</svg>'
    )
