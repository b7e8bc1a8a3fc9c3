"""The gate's floors, and the answers of a baseline: a constant, the last value, a column, a business rule."""

from __future__ import annotations

import importlib
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from tidewheel.core.errors import ParameterError, SchemaMismatchError
from tidewheel.core.records import Check
from tidewheel.pipeline.gate import Baseline
from tidewheel.statistics.binary_metrics import Numbers
from tidewheel.statistics.metric_table import metric_of
from tidewheel.statistics.scored import Scored
from tidewheel.steps.gate_rows import SHOWN, GateRows, known
from tidewheel.steps.scoring import numbers_of, times_of, truth_of

_AT, _TRUTH = "tidewheel_at", "tidewheel_truth"


def floor_checks(rows: GateRows) -> list[Check]:
    """One for each declared floor: is the metric at least that good? One that has a sign is good near to zero.

    Raises:
        NotFoundError: the problem has no such metric.
        ParameterError: no number can be that near to zero.
    """
    return [_floor_check(rows, name, floor) for name, floor in sorted(rows.gate.floors.items())]


def _floor_check(rows: GateRows, name: str, floor: float) -> Check:
    metric = metric_of(rows.ours.problem, name)
    if metric.is_signed and floor < 0:
        raise ParameterError(
            f"the floor {floor:g} of {name} is negative, but {name} is best at 0",
            next_step="say how far from 0 it may be",
        )
    value = metric.value(rows.ours)
    found = metric.interval(metric.measure(rows.ours, rows.blocks), rows.draws)
    passed = metric.badness(value) <= metric.badness(floor)  # NaN passes neither
    word = "within" if metric.is_signed else "at most" if metric.is_loss else "at least"
    interval = f" (90% interval {found.low:.4f} to {found.high:.4f})" if found.low == found.low else ""
    told = f"{word} {floor:g}" + (" of 0" if metric.is_signed else "")
    return Check(
        name=f"floor of {name}",
        passed=passed,
        metric=name,
        value=known(value),
        reference=floor,
        low=known(found.low),
        high=known(found.high),
        row_count=len(rows.ours),
        message=f"{SHOWN.get(name, name)} {value:.4f}{interval}" + (f" is {told}" if passed else f"; needed {told}"),
    )


def baseline_checks(
    rows: GateRows, train: pd.DataFrame | None = None, classes: tuple[int | str, ...] = ()
) -> tuple[list[Check], GateRows, Scored]:
    """Whether the candidate beats the declared baseline, and whether that answers enough rows to say so when it leaves
    some out; the rows for which it has an answer, and its answers.

    Args:
        rows: the test rows with the candidate's answers.
        train: rows of before, whose labels are last values too.
        classes: of the labels, in the candidate's order.

    Raises:
        SchemaMismatchError: the baseline gives no answers.
    """
    baseline = rows.gate.baseline
    name, said = _answers(baseline, rows, train, classes)
    has_answer = np.asarray(np.isfinite(said).reshape(len(said), -1).all(axis=1))
    if not has_answer.any():
        raise SchemaMismatchError("it has no answer to any row")
    here = rows.only(has_answer)
    theirs = replace(here.ours, said=said[has_answer])
    checks = [here.better_than("better than baseline", name, theirs, needed=baseline.minimum_gain)]
    unscored = int((~has_answer).sum())
    if unscored:
        checks.insert(0, rows.scored_by("baseline scores the rows", name, unscored))
    return checks, here, theirs


def _answers(
    baseline: Baseline, rows: GateRows, train: pd.DataFrame | None, classes: tuple[int | str, ...]
) -> tuple[str, Numbers]:
    if baseline.kind == "constant":
        return "a constant", _constant(rows.ours, rows.gate.seed)
    if baseline.kind == "last":
        labelled = _labelled(baseline, rows, train, classes)
        return f"the last value of {', '.join(baseline.by) or 'all rows'}", _last(baseline, rows, labelled)
    if baseline.kind == "column":
        if baseline.column not in rows.frame.columns:
            raise SchemaMismatchError(f"the test rows have no column {baseline.column!r}")
        return baseline.column, _shaped(numbers_of(rows.frame[baseline.column], baseline.column), rows.ours)
    return baseline.function.partition(":")[2], _shaped(_by_rule(baseline.function, rows), rows.ours)


def _constant(ours: Scored, seed: int) -> Numbers:
    """The best one in hindsight; for a ranking, which knows none, an order by chance."""
    rows = len(ours)
    if ours.problem == "ranking":
        return np.random.default_rng(seed).random(rows)
    if ours.problem == "multiclass":
        shares = np.bincount(ours.truth.astype(int), minlength=len(ours.classes)) / max(1, rows)
        return np.tile(shares, (rows, 1))
    if ours.problem == "quantiles":
        return np.tile(np.quantile(ours.truth, ours.levels), (rows, 1))
    return np.full(rows, ours.truth.mean())


def _labelled(
    baseline: Baseline, rows: GateRows, train: pd.DataFrame | None, classes: tuple[int | str, ...]
) -> pd.DataFrame:
    """Rows with a label, by `at`, `truth` and the columns of groups: those to be judged, and those of training.

    Where labels come days later, hardly a test row would have a last value without the latter.
    """
    gate, by = rows.gate, list(baseline.by)
    missing = [column for column in (gate.time, *by) if column not in rows.frame.columns]
    if missing:
        raise SchemaMismatchError(f"the test rows have no column {', '.join(map(repr, missing))}")
    asked = times_of(rows.frame[gate.time], gate.time)
    if asked.isna().any():
        raise SchemaMismatchError(f"column {gate.time!r} has rows without a time")
    found = rows.frame[by].copy()
    found[_AT], found[_TRUTH] = asked, rows.ours.truth
    if train is None or not {gate.label, gate.time, *by} <= set(train.columns):
        return found
    earlier = train[train[gate.label].notna() & train[gate.time].notna()]
    before = earlier[by].copy()
    before[_AT] = times_of(earlier[gate.time], gate.time)
    before[_TRUTH] = truth_of(earlier, gate.label, rows.ours.problem, classes)
    return pd.concat([found, before], ignore_index=True)


def _last(baseline: Baseline, rows: GateRows, labelled: pd.DataFrame) -> Numbers:
    """The newest label that was known when the row came; NaN before the first one."""
    by = list(baseline.by)
    keys = pd.factorize(pd.MultiIndex.from_frame(labelled[by]))[0] if by else np.zeros(len(labelled))
    table = labelled[[_AT, _TRUTH]].assign(key=keys, place=np.arange(len(labelled)))
    known_rows = table.copy()
    known_rows[_AT] += pd.Timedelta(seconds=baseline.delay_s)
    joined = pd.merge_asof(
        table.head(len(rows.frame))[[_AT, "key", "place"]].sort_values(_AT, kind="stable"),
        known_rows[[_AT, "key", _TRUTH]].sort_values(_AT, kind="stable"),
        on=_AT,
        by="key",
        allow_exact_matches=baseline.delay_s > 0,
    )
    last = joined.sort_values("place")[_TRUTH].to_numpy(dtype=np.float64)
    if rows.ours.problem == "multiclass":
        return np.where(
            np.isnan(last)[:, None], np.nan, np.eye(len(rows.ours.classes))[np.nan_to_num(last).astype(int)]
        )
    return last.reshape(-1, 1) if rows.ours.problem == "quantiles" else last


def _by_rule(function: str, rows: GateRows) -> Any:
    module, _, name = function.partition(":")
    try:
        rule = getattr(importlib.import_module(module), name)
        said = np.asarray(rule(rows.frame.drop(columns=rows.gate.label)), dtype=np.float64)
    except Exception as error:  # a project's function raises what it likes
        raise SchemaMismatchError(f"its rule failed: {type(error).__name__}: {error}") from error
    if said.shape[:1] != (len(rows.frame),):
        raise SchemaMismatchError(
            f"its rule gave {said.shape[0] if said.ndim else 1} answers for {len(rows.frame)} rows"
        )
    if not np.isfinite(said).all():
        raise SchemaMismatchError("its rule gave answers that are missing or infinite")
    return said


def _shaped(said: Any, ours: Scored) -> Numbers:
    """Answers in the form of the problem; of classes the index of one will do."""
    if ours.problem == "quantiles" and said.ndim == 1:
        return np.asarray(said.reshape(-1, 1))
    if ours.problem == "multiclass" and said.ndim == 1:
        count = len(ours.classes)
        if not np.isin(said, np.arange(count)).all():
            raise SchemaMismatchError(f"it does not give the index of one of the {count} classes")
        return np.asarray(np.eye(count)[said.astype(int)])
    if said.shape != ours.said.shape:
        raise SchemaMismatchError(f"it gives answers of shape {said.shape}, not {ours.said.shape}")
    return np.asarray(said, dtype=np.float64)
