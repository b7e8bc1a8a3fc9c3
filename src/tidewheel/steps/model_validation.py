"""The gate: may this candidate take over? Paper: "model validation", offline part.

The candidate is held against floors, a baseline, and the champion on the same rows. Rows of one block (a day) are not
independent, so every interval comes from a bootstrap over whole blocks.
"""

from __future__ import annotations

from typing import Any

import msgspec
import pandas as pd

from tidewheel.core.errors import NotFoundError, SchemaMismatchError, TidewheelError
from tidewheel.core.records import Check, TrainingRows, Verdict
from tidewheel.model_package import Champion, Package
from tidewheel.pipeline import step
from tidewheel.pipeline.gate import Baseline, Gate
from tidewheel.statistics.metric_table import metric_of
from tidewheel.statistics.scored import Scored
from tidewheel.steps.gate_baseline import baseline_checks, floor_checks
from tidewheel.steps.gate_champion import name_of, signature_check, standing_of
from tidewheel.steps.gate_package import package_checks
from tidewheel.steps.gate_rows import GateRows
from tidewheel.steps.gate_segments import features_of, is_loss_comparable, segment_checks, slice_checks
from tidewheel.steps.gate_training import leakage_check, training_rows, unchecked_leakage
from tidewheel.steps.scoring import problem_of, said_by, scored_rows, truth_of


@step
def model_validation(
    candidate: Package,
    test: pd.DataFrame,
    champion: Champion | None,
    train: pd.DataFrame | None = None,
    champion_rows: pd.DataFrame | None = None,
    *,
    gate: Gate | None = None,
    label: str = "label",
    block: str = "day",
    baseline: str = "",
    minimum_gain: float = 0.0,
    confidence: float = 0.9,
    resamples: int = 1000,
    seed: int = 0,
) -> Verdict:
    """Judges a candidate by the criteria of a gate.

    Args:
        candidate: the package that would be deployed; it is scored itself, not the estimator it was made from.
        test: rows newer than what the candidate was trained on, with the label.
        champion: what is in production; without one the baseline decides alone.
        train: what the candidate learned from, for the leakage check and for the next gate; needs the gate's key or
            time, no features.
        champion_rows: features of the champion by the gate's key, where the test rows have not all of them.
        gate: the criteria. Without it the arguments below make a short one for a binary problem, by ROC AUC.
        label: the column with 0 or 1.
        block: the column whose equal values are drawn together.
        baseline: a column with the score of a simpler rule; empty for a constant.
        minimum_gain: ROC AUC that the lower end of the interval must gain over the champion.
        confidence: of the two-sided interval; 0.9 lets an equal model pass in 5 % of the cases.
        resamples, seed: of the bootstrap.

    Returns:
        Every check with its numbers. Missing columns, too few rows and a champion that cannot be read, or cannot score
        the rows, are failed checks, not exceptions: the verdict is the place to read why a candidate was refused.
    """
    if gate is None:
        gate = Gate(
            label=label,
            metric="roc_auc",
            block=block,
            baseline=Baseline.of_column(baseline) if baseline else Baseline.constant(),
            minimum_gain=minimum_gain,
            confidence=confidence,
            resamples=resamples,
            seed=seed,
            asks_package=False,
            keeps_signature=False,
        )
    checks, training = _judge(candidate, test, champion, _frame(train), _frame(champion_rows), gate)
    return Verdict(
        candidate_digest=candidate.digest,
        champion_version=champion.version if champion else None,
        checks=tuple(checks),
        criteria=msgspec.json.decode(msgspec.json.encode(gate)),
        training=training,
    )


def _judge(
    candidate: Package,
    test: pd.DataFrame,
    champion: Champion | None,
    train: pd.DataFrame | None,
    champion_rows: pd.DataFrame | None,
    gate: Gate,
) -> tuple[list[Check], TrainingRows | None]:
    try:
        rows = _rows(candidate, test.reset_index(drop=True), gate)
    except TidewheelError as error:
        return [Check(name="test rows", passed=False, row_count=len(test), message=error.what)], None
    told = f"{len(test):,} rows" + (" of both classes" if rows.ours.problem == "binary" else "")
    checks = [Check(name="test rows", passed=True, row_count=len(test), message=told)]
    training = _train(checks, train, rows)
    _try(checks, "floors", "they cannot be told", lambda: floor_checks(rows))
    reference = _baseline(checks, rows, train, candidate.signature.classes)
    if champion is not None:
        reference = _champion(checks, rows, champion, champion_rows, candidate.signature.classes)
        if gate.keeps_signature:
            told = f"what callers of {name_of(champion)} send cannot be told"
            _try(checks, "signature of the endpoint", told, lambda: [signature_check(candidate.signature, champion)])
    if reference is not None:
        _segments(checks, candidate, *reference)
    if gate.asks_package:
        _try(checks, "package", "it cannot be asked", lambda: package_checks(candidate, gate))
    return checks, training


def _rows(candidate: Package, test: pd.DataFrame, gate: Gate) -> GateRows:
    """The test rows with the candidate's answers.

    Raises:
        TidewheelError: they cannot judge anything.
    """
    declared = (gate.label, gate.block, gate.time, gate.group, *gate.key)
    missing = [name for name in dict.fromkeys(declared) if name and name not in test.columns]
    if gate.baseline.kind == "column" and gate.baseline.column not in test.columns:
        missing.append(gate.baseline.column)
    if missing:
        raise SchemaMismatchError(f"the test rows have no column {', '.join(map(repr, missing))}")
    if len(test) < gate.minimum_rows:
        raise SchemaMismatchError(f"{len(test)} test rows are fewer than {gate.minimum_rows}")
    signature = candidate.signature
    if not signature.inputs:
        raise SchemaMismatchError("the candidate has no signature")
    problem = problem_of(signature, group=gate.group, level=gate.level)
    try:
        metric = metric_of(problem, gate.metric)
    except NotFoundError as error:
        raise SchemaMismatchError(f"the candidate is a {signature.task} model; {_whole(error)}") from None
    if not metric.is_score:
        raise SchemaMismatchError(
            f"{metric.name} tells something of a model, but orders no models; name another metric"
        )
    truth = truth_of(test, gate.label, problem, signature.classes)
    if problem == "binary" and len(set(truth)) < 2:
        raise SchemaMismatchError("the test rows are all of one class")
    try:
        said = said_by(candidate, test, problem)
        groups = test[gate.group] if gate.group else None
        ours = scored_rows(problem, truth, said, classes=signature.classes, level=gate.level, groups=groups)
    except TidewheelError as error:
        raise SchemaMismatchError(f"the candidate cannot score them: {error.what}") from None
    return GateRows.of(gate, test, ours, metric)


def _train(checks: list[Check], train: pd.DataFrame | None, rows: GateRows) -> TrainingRows | None:
    if train is None:
        if rows.gate.key:
            checks.append(unchecked_leakage(rows.frame))
        return None
    if rows.gate.key:
        _try(
            checks,
            "no test row is in training",
            "it cannot be told",
            lambda: [leakage_check(train, rows.frame, rows.gate)],
        )
    try:
        return training_rows(train, rows.gate)
    except TidewheelError as error:
        checks.append(Check(name="training rows", passed=False, row_count=len(train), message=error.what))
        return None


def _baseline(
    checks: list[Check], rows: GateRows, train: pd.DataFrame | None, classes: tuple[int | str, ...]
) -> tuple[GateRows, Scored, str] | None:
    name = rows.gate.baseline.column or rows.gate.baseline.function or "the baseline"
    try:
        found, here, theirs = baseline_checks(rows, train, classes)
    except TidewheelError as error:
        told = f"{name} cannot be scored: {error.what}"
        checks.append(Check(name="better than baseline", passed=False, message=told))
        return None
    checks.extend(found)
    return here, theirs, "the baseline"


def _champion(
    checks: list[Check],
    rows: GateRows,
    champion: Champion,
    own_rows: pd.DataFrame | None,
    classes: tuple[int | str, ...],
) -> tuple[GateRows, Scored, str] | None:
    """The comparison with the champion, and what segments are held against: never the baseline when it fails."""
    name = "better than champion"
    try:
        standing = standing_of(rows, champion, own_rows, classes)
    except TidewheelError as error:
        told = f"{name_of(champion)} cannot be scored: {error.what}"
        checks.append(Check(name=name, passed=False, message=told))
        return None
    checks.extend(standing.checks)
    here, theirs = standing.rows, standing.theirs
    checks.append(here.better_than(name, name_of(champion), theirs, needed=rows.gate.minimum_gain))
    return here, theirs, name_of(champion)


def _segments(checks: list[Check], candidate: Package, rows: GateRows, theirs: Scored, reference: str) -> None:
    gate = rows.gate
    level = gate.refusals / (bool(gate.segments) + bool(gate.slice_columns) or 1)
    if gate.segments:
        told = "segments cannot be compared"
        _try(checks, "segments", told, lambda: segment_checks(rows, theirs, reference, level=level))
    if gate.slice_columns and is_loss_comparable(theirs):
        names = tuple(field.name for field in candidate.signature.inputs)
        features = features_of(rows.frame, names, (gate.label, gate.time, *gate.key))
        _try(
            checks,
            "no slice is worse",
            "slices cannot be compared",
            lambda: slice_checks(rows, theirs, reference, features=features, level=level),
        )
    elif gate.slice_columns:
        told = f"slices cannot be compared: scores of {reference} are no probabilities, so rows have no loss"
        checks.append(Check(name="no slice is worse", passed=True, row_count=len(rows.ours), message=told))


def _try(checks: list[Check], name: str, told: str, make: Any) -> None:
    """Adds checks, or a failed one when they cannot be made."""
    try:
        checks.extend(make())
    except TidewheelError as error:
        checks.append(Check(name=name, passed=False, message=f"{told}: {_whole(error)}"))


def _whole(error: TidewheelError) -> str:
    """What is wrong, and what would be known; a verdict has one line for both."""
    return f"{error.what}; {error.next_step}" if isinstance(error, NotFoundError) and error.next_step else error.what


def _frame(rows: Any) -> pd.DataFrame | None:
    """A table in whichever form a pipeline hands it over."""
    if rows is None or isinstance(rows, pd.DataFrame):
        return rows
    found: pd.DataFrame = rows.to_pandas()
    return found
