"""Model evaluation: how good the answers are on rows that the model has not seen. Paper: "model evaluation"."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from tidewheel.core.errors import NotFoundError, ParameterError
from tidewheel.core.metrics import Metrics
from tidewheel.core.records import CalibrationBin, EvaluationReport, MeasuredMetric, SegmentMetric, WorseSlice
from tidewheel.pipeline import step
from tidewheel.statistics.binary_metrics import Numbers
from tidewheel.statistics.blocks import Blocks, blocks_of, draw_blocks
from tidewheel.statistics.class_metrics import confusion
from tidewheel.statistics.metric import Metric
from tidewheel.statistics.metric_table import metric_of, metrics_of
from tidewheel.statistics.scored import Scored
from tidewheel.statistics.slices import find_slices
from tidewheel.steps.evaluation_figures import importance_figure, quality_figure, segments_figure
from tidewheel.steps.feature_importance import feature_importance
from tidewheel.steps.gate_rows import known
from tidewheel.steps.model_answers import Answering, answering
from tidewheel.steps.scoring import scored_rows, truth_of
from tidewheel.steps.segments import segments_of

_SEGMENT_ROWS = 50
_BINS = 10


class Evaluation(NamedTuple):
    """The outputs of the step.

    Attributes:
        metrics: the numbers, and `..._low` and `..._high` of the main one; what the rows do not have is left out.
        report: everything, with intervals.
        quality: calibration and confusion, residuals, coverage, or queries.
        segments: the main metric by segment.
        importance: of the features.
    """

    metrics: Metrics
    report: EvaluationReport
    quality: Figure
    segments: Figure
    importance: Figure


@step
def model_evaluation(
    model: Any,
    test: pd.DataFrame,
    *,
    label: str = "label",
    metric: str = "",
    features: list[str] | None = None,
    block: str = "",
    group: str = "",
    level: float | None = None,
    segments: list[str] | None = None,
    slice_columns: list[str] | None = None,
    importance_rows: int = 3000,
    confidence: float = 0.9,
    resamples: int = 1000,
    seed: int = 0,
) -> Evaluation:
    """Scores a model on test rows, in whole and in parts.

    Args:
        model: a package, a fitted estimator, or a dict of estimators by quantile level (`{"0.1": low, "0.9": high}`).
        test: rows with features and label.
        label: the column with what turned out to be true: a class, a number, or how relevant a row is.
        metric: the main one; by default that of the problem, such as `roc_auc` or `rmse`.
        features: columns, where the model does not say which it takes.
        block: the column whose equal values are not independent, such as the day; empty when rows are.
        group: the column with the query, which makes it a ranking.
        level: makes it a quantile, 0..1.
        segments: columns to report by.
        slice_columns: columns among which worse slices are searched for; by default the features.
        importance_rows: how many rows are shuffled for the importance of features; 0 for none.
        confidence: of two-sided intervals.
        resamples, seed: of the bootstrap over blocks.

    Raises:
        ParameterError: there are no rows, or numbers are missing or infinite.
        NotFoundError: a column or the metric does not exist.
        SchemaMismatchError: the model does not take the rows, or has no signature.
    """
    _check_rows(test, [label, *filter(None, (block, group)), *(segments or []), *(slice_columns or [])])
    rows = test.reset_index(drop=True)
    asked = answering(model, rows, features=tuple(features or ()), group=group, level=level)
    scored = _scored(asked, rows, label, group)
    main = metric_of(scored.problem, metric)
    blocks = blocks_of(rows[block].astype(str).to_numpy() if block else scored.groups, len(rows), seed=seed)
    draws, tail = draw_blocks(blocks.count, resamples, seed), (1 - confidence) / 2
    names = list(slice_columns if slice_columns is not None else asked.features)
    found, looked_at = _slices(rows[names], scored, blocks, seed)
    report = EvaluationReport(
        problem=scored.problem,
        metric=main.name,
        row_count=len(rows),
        confidence=confidence,
        block_count=blocks.count,
        metrics=_measured(scored, main, blocks, draws, tail),
        segments=_by_segment(rows, segments or [], scored, main, blocks, draws, tail),
        slices=found,
        slices_looked_at=looked_at,
        importance=_importance(asked, rows, scored, main, importance_rows, seed),
        calibration=_calibration(scored),
        classes=tuple(str(one) for one in asked.classes),
        confusion=_confusion(scored),
        residuals=_residuals(scored),
        notes=_notes(scored, main),
    )
    return Evaluation(
        metrics=_numbers(report),
        report=report,
        quality=quality_figure(scored, report),
        segments=segments_figure(report),
        importance=importance_figure(report),
    )


def _check_rows(test: pd.DataFrame, columns: list[str]) -> None:
    for name in columns:
        if name not in test.columns:
            raise NotFoundError("column", name, known=[str(one) for one in test.columns], where="test rows")
    if test.empty:
        raise ParameterError("there are no test rows", next_step="look at what the step before it gave")


def _scored(asked: Answering, rows: pd.DataFrame, label: str, group: str) -> Scored:
    truth = truth_of(rows, label, asked.problem, asked.classes)
    if asked.problem == "quantiles":
        return Scored("quantiles", truth, asked.said(rows), levels=asked.levels)
    groups = rows[group] if group else None
    return scored_rows(asked.problem, truth, asked.said(rows), classes=asked.classes, groups=groups)


def _measured(scored: Scored, main: Metric, blocks: Blocks, draws: Numbers, tail: float) -> tuple[MeasuredMetric, ...]:
    ordered = [main, *(one for one in metrics_of(scored.problem).values() if one.name != main.name)]
    result = []
    for metric in ordered:
        form = metric.measure(scored, blocks)
        value, found = metric.value_of(form, scored, blocks), metric.interval(form, draws, tail=tail)
        result.append(
            MeasuredMetric(
                name=metric.name,
                value=known(value),
                low=known(found.low),
                high=known(found.high),
                is_loss=metric.is_loss,
            )
        )
    return tuple(result)


def _by_segment(
    rows: pd.DataFrame,
    segments: list[str],
    scored: Scored,
    main: Metric,
    blocks: Blocks,
    draws: Numbers,
    tail: float,
) -> tuple[SegmentMetric, ...]:
    """The most frequent values of each column, the worst first."""
    result = []
    for column in segments:
        part = []
        for segment, is_in in segments_of(rows[column], _SEGMENT_ROWS):
            here, its = scored.of(is_in), blocks.of(is_in)
            form = main.measure(here, its)
            found = main.interval(form, draws, tail=tail)
            part.append(
                SegmentMetric(
                    column=column,
                    segment=segment,
                    row_count=len(here),
                    value=known(main.value_of(form, here, its)),
                    low=known(found.low),
                    high=known(found.high),
                )
            )
        result += sorted(part, key=lambda one: -main.badness(one.value) if one.value is not None else np.inf)
    return tuple(result)


def _slices(rows: pd.DataFrame, scored: Scored, blocks: Blocks, seed: int) -> tuple[tuple[WorseSlice, ...], int]:
    if scored.problem == "ranking":
        return (), 0
    loss = scored.loss()
    search = find_slices(rows, loss.mean() - loss, blocks, seed=seed)
    found = tuple(
        WorseSlice(
            words=one.words,
            row_count=one.row_count,
            share=one.share,
            excess=-one.gain,
            probability=one.probability,
        )
        for one in search.found
    )
    return found, search.looked_at


def _importance(asked: Answering, rows: pd.DataFrame, scored: Scored, main: Metric, most_rows: int, seed: int) -> Any:
    if not most_rows or not np.isfinite(main.value(scored)):
        return ()
    return feature_importance(asked, rows, scored, main, most_rows=most_rows, seed=seed)


def _calibration(scored: Scored) -> tuple[CalibrationBin, ...]:
    """Ten parts of equal row count, by rising probability."""
    if scored.problem != "binary":
        return ()
    order = np.argsort(scored.said, kind="stable")
    parts = [part for part in np.array_split(order, _BINS) if len(part)]
    return tuple(
        CalibrationBin(said=float(scored.said[part].mean()), seen=float(scored.truth[part].mean()), row_count=len(part))
        for part in parts
    )


def _confusion(scored: Scored) -> tuple[tuple[int, ...], ...]:
    if scored.problem not in ("binary", "multiclass"):
        return ()
    return tuple(tuple(int(count) for count in line) for line in confusion(scored))


def _residuals(scored: Scored) -> dict[str, float]:
    if scored.problem != "regression":
        return {}
    levels = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
    return {f"{level:g}": float(np.quantile(scored.said - scored.truth, level)) for level in levels}


def _notes(scored: Scored, main: Metric) -> tuple[str, ...]:
    notes = []
    if scored.problem in ("binary", "multiclass") and len(np.unique(scored.truth)) < 2:
        notes.append("the test rows are all of one class; nothing says how well the model tells classes apart")
    if not np.isfinite(main.value(scored)):
        notes.append(f"these rows have no {main.name}")
    return tuple(notes)


def _numbers(report: EvaluationReport) -> Metrics:
    metrics = Metrics({one.name: one.value for one in report.metrics if one.value is not None})
    main = report.metrics[0]
    if main.low is not None and main.high is not None:
        metrics |= {f"{main.name}_low": main.low, f"{main.name}_high": main.high}
    return metrics
