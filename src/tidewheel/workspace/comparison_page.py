"""The page of a comparison: differences first, numbers as bars, searches as dots; one file, no script."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from html import escape

from tidewheel.core.records.trial import TrialRow
from tidewheel.steps.analysis_charts import rows_of_bars
from tidewheel.steps.analysis_style import STYLE
from tidewheel.workspace.cell import format_cell
from tidewheel.workspace.comparison_row import TOPICS, Row, differing

_TITLES = {
    "run": "Runs",
    "state": "State",
    "data": "Data",
    "code": "Code",
    "parameters": "Parameters",
    "environment": "Environment",
    "metrics": "Metrics",
    "package": "Package",
}
_COLOURS = {"succeeded": "var(--main)", "pruned": "var(--line)", "failed": "var(--urgent)"}
_WIDTH, _HEIGHT, _EDGE = 320.0, 120.0, 14.0
_cell = partial(format_cell, digits=5)  # of numbers that differ a little


Searches = Mapping[str, Sequence[TrialRow]]
"""The trials of searches, by run id."""


def render_comparison(run_ids: Sequence[str], rows: Sequence[Row], searches: Searches) -> str:
    """The whole page."""
    title = f"{len(run_ids)} runs compared"
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<style>{STYLE} .same {{ color:var(--dim) }} .differs td:first-child {{ font-weight:600 }}</style></head>"
        f"<body><main><h1>{title}</h1>{render_body(run_ids, rows, searches)}</main></body></html>"
    )


def render_body(names: Sequence[str], rows: Sequence[Row], searches: Searches) -> str:
    """Its content, also for a notebook.

    Args:
        names: of what is compared: ids of runs, or versions.
    """
    differences, same = differing(rows), [row for row in rows if row.is_equal]
    parts = [f'<p class="note">{len(differences)} of {len(rows)} things differ; the others stand below, folded.</p>']
    parts += [_table(names, [row for row in differences if row.topic == topic], topic) for topic in TOPICS]
    parts.append(_plots(names, differences))
    parts += [_search(run_id, trials) for run_id, trials in searches.items()]
    if same:
        inside = "".join(_table(names, [row for row in same if row.topic == topic], topic) for topic in TOPICS)
        parts.append(f"<details><summary>{len(same)} things are the same</summary>{inside}</details>")
    return "".join(parts)


def _table(names: Sequence[str], rows: Sequence[Row], topic: str) -> str:
    if not rows:
        return ""
    head = "".join(f"<th>{escape(name)}</th>" for name in names)
    body = "".join(
        f'<tr class="{"same" if row.is_equal else "differs"}"><td>{escape(row.name)}</td>'
        + "".join(f"<td>{escape(_cell(value))}</td>" for value in row.values)
        + "</tr>"
        for row in rows
    )
    return f'<h2>{_TITLES[topic]}</h2><div class="scroll"><table><tr><th></th>{head}</tr>{body}</table></div>'


def _plots(names: Sequence[str], differences: Sequence[Row]) -> str:
    """Bars of each number that differs, in a card of its own, since their scales do."""
    cards = []
    for row in differences:
        numbers = [value for value in row.values if isinstance(value, int | float) and math.isfinite(value)]
        if row.topic == "metrics" and len(numbers) > 1:
            bars = [
                (name, float(value), _cell(value))
                for name, value in zip(names, row.values, strict=True)
                if isinstance(value, int | float) and math.isfinite(value)
            ]
            chart = rows_of_bars(bars, highest=max(abs(one) for one in numbers))
            cards.append(f'<div class="card"><header><h3>{escape(row.name)}</h3></header>{chart}</div>')
    return f'<h2>Numbers</h2><div class="cards">{"".join(cards)}</div>' if cards else ""


def _search(run_id: str, trials: Sequence[TrialRow]) -> str:
    """A dot for each trial by its number, the best so far as a line."""
    values = [one.value for one in trials if one.value is not None and math.isfinite(one.value)]
    failed = sum(one.state == "failed" for one in trials)
    head = f"<h2>Search of {escape(run_id)}</h2>"
    head += f'<p class="note">{len(trials)} trials, {failed} failed; each dot is one, its text says which.</p>'
    if not values:
        return head
    low, high = min(values), max(values)
    width, height = _WIDTH / max(len(trials), 1), _HEIGHT - 2 * _EDGE
    dots = []
    for one in trials:
        share = 1.0 if one.value is None or high == low else (one.value - low) / (high - low)
        y = _HEIGHT - 2.0 if one.value is None else _EDGE + height * (1 - share)
        parameters = ", ".join(f"{name}={_cell(value)}" for name, value in one.parameters.items())
        text = f"{one.number} {one.algorithm} {parameters}: {one.reason or _cell(one.value)}"
        dots.append(
            f'<circle cx="{(one.number + 0.5) * width:.1f}" cy="{y:.1f}" r="3" style="fill:{_COLOURS[one.state]}">'
            f"<title>{escape(text)}</title></circle>"
        )
    axis = f'<text x="0" y="10">{_cell(high)}</text><text x="0" y="{_HEIGHT - _EDGE:g}">{_cell(low)}</text>'
    box = f'viewBox="0 0 {_WIDTH:g} {_HEIGHT:g}" style="max-width:640px"'
    svg = f'<svg {box} role="img" aria-label="trials">{axis}{"".join(dots)}</svg>'
    return f'{head}<div class="card">{svg}</div>'
