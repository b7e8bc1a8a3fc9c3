"""An evaluation as pictures: how good the answers are, by segment, and what they rest on."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tidewheel.core.records import EvaluationReport
from tidewheel.statistics.ranking_metrics import query_values
from tidewheel.statistics.scored import Scored

_MAIN, _DIM, _WARM = "#3b6ea5", "#bbbbbb", "#c4622d"
_MOST = 20


def quality_figure(scored: Scored, report: EvaluationReport) -> Figure:
    """Calibration and confusion of a classifier, residuals of numbers, coverage of quantiles, queries of a ranking."""
    figure = Figure(figsize=(8.4, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    if scored.problem == "binary":
        _calibration(left, report)
        _confusion(right, report)
    elif scored.problem == "multiclass":
        _confusion(left, report)
        _certainty(right, scored)
    elif scored.problem == "regression":
        _residuals(left, scored.said, scored.said - scored.truth)
        _histogram(right, scored.said - scored.truth, "answer less truth")
    elif scored.problem == "quantiles":
        _coverage(left, scored)
        _histogram(right, scored.said[:, -1] - scored.said[:, 0], "distance of the outer quantiles")
    else:
        values, _ = query_values("ndcg", scored)
        _histogram(left, values[np.isfinite(values)], "NDCG of a query")
        codes = np.zeros(0, dtype=np.intp) if scored.groups is None else scored.groups
        _histogram(right, np.bincount(codes)[np.unique(codes)], "rows of a query")
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def segments_figure(report: EvaluationReport) -> Figure:
    """The main metric of each segment with its interval, beside that of all rows."""
    shown = [one for one in report.segments if one.value is not None][:40]
    figure = Figure(figsize=(6.4, max(1.6, 0.8 + 0.26 * len(shown))), layout="constrained")
    axes = figure.subplots()
    if not shown:
        return _nothing(figure, axes, "no segments")
    for at, one in enumerate(shown):
        if one.low is not None and one.high is not None:
            axes.plot([one.low, one.high], [at, at], color=_DIM, linewidth=3, solid_capstyle="butt")
        axes.plot([one.value or 0.0], [at], marker="o", color=_MAIN)
    if report.metrics and report.metrics[0].value is not None:
        axes.axvline(report.metrics[0].value, color=_WARM, linewidth=1)
    names = [f"{one.column} = {one.segment} ({one.row_count:,})"[:48] for one in shown]
    axes.set_yticks(range(len(shown)), names, fontsize=8)
    axes.invert_yaxis()
    axes.set_xlabel(report.metric)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def importance_figure(report: EvaluationReport) -> Figure:
    """The most important features, shuffled, and their SHAP values where there are any."""
    shown = report.importance[:_MOST]
    has_shap = any(one.shap is not None for one in shown)
    figure = Figure(figsize=(8.4 if has_shap else 5.2, max(1.6, 0.8 + 0.26 * len(shown))), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True) if has_shap else [figure.subplots()]
    if not shown:
        return _nothing(figure, panels[0], "importance was not asked for")
    places = np.arange(len(shown))
    panels[0].barh(places, [one.permuted for one in shown], xerr=[one.spread for one in shown], color=_MAIN)
    panels[0].set_yticks(places, [one.feature[:32] for one in shown], fontsize=8)
    panels[0].invert_yaxis()
    panels[0].set_xlabel(f"loss of {report.metric} when shuffled")
    if has_shap:
        panels[1].barh(places, [one.shap or 0.0 for one in shown], color=_WARM)
        panels[1].set_xlabel("mean |SHAP|")
    for axes in panels:
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def _calibration(axes: Axes, report: EvaluationReport) -> None:
    bins = report.calibration
    top = 1.05 * max([*(one.said for one in bins), *(one.seen for one in bins), 1e-9])
    axes.plot([0, top], [0, top], color=_DIM, linewidth=1)
    axes.plot([one.said for one in bins], [one.seen for one in bins], marker="o", color=_MAIN)
    axes.set(xlabel="probability said", ylabel="share seen")


def _confusion(axes: Axes, report: EvaluationReport) -> None:
    table = np.array(report.confusion, dtype=float)
    shares = table / np.maximum(1.0, table.sum(axis=1, keepdims=True))
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    ticks = range(len(report.classes))
    axes.set_xticks(ticks, [name[:12] for name in report.classes], fontsize=8)
    axes.set_yticks(ticks, [name[:12] for name in report.classes], fontsize=8)
    axes.set(xlabel="decided", ylabel="true")
    if len(report.classes) <= 8:
        for row, line in enumerate(table):
            for column, count in enumerate(line):
                ink = "white" if shares[row, column] > 0.6 else "black"
                axes.text(column, row, f"{count:,.0f}", ha="center", va="center", fontsize=8, color=ink)


def _certainty(axes: Axes, scored: Scored) -> None:
    certain, right = scored.said.max(axis=1), scored.said.argmax(axis=1) == scored.truth
    for is_right, colour, name in ((True, _MAIN, "right"), (False, _WARM, "wrong")):
        axes.hist(certain[right == is_right], bins=20, range=(0, 1), color=colour, alpha=0.7, label=name)
    axes.set(xlabel="probability of the decided class", ylabel="rows")
    axes.legend(frameon=False, fontsize=8)


def _residuals(axes: Axes, said: np.ndarray, residual: np.ndarray) -> None:
    step = max(1, len(said) // 3000)
    axes.axhline(0, color=_DIM, linewidth=1)
    axes.scatter(said[::step], residual[::step], s=4, alpha=0.3, color=_MAIN, linewidths=0)
    axes.set(xlabel="answer", ylabel="answer less truth")


def _coverage(axes: Axes, scored: Scored) -> None:
    seen = (scored.truth[:, None] <= scored.said).mean(axis=0)
    axes.plot([0, 1], [0, 1], color=_DIM, linewidth=1)
    axes.plot(scored.levels, seen, marker="o", color=_MAIN)
    axes.set(xlabel="level", ylabel="share of labels at or below", xlim=(0, 1), ylim=(0, 1))


def _histogram(axes: Axes, values: np.ndarray, name: str) -> None:
    axes.hist(values, bins=30, color=_MAIN)
    axes.set(xlabel=name, ylabel="count")


def _nothing(figure: Figure, axes: Axes, told: str) -> Figure:
    axes.text(0.5, 0.5, told, ha="center", va="center", color="#667380")
    axes.set_axis_off()
    return figure
