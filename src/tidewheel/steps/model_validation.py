"""The gate: may this candidate take over? Paper: "model validation", offline part.

The candidate is held against a baseline and against the champion on the same rows. Rows of one block (a day) are not
independent, so every interval comes from a bootstrap over whole blocks.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from tidewheel.core.errors import SchemaMismatchError, TidewheelError
from tidewheel.core.records import Check, Verdict
from tidewheel.model_package import Champion, Package
from tidewheel.model_package.signature import columns_of
from tidewheel.pipeline import step
from tidewheel.statistics import auc_difference, roc_auc

MINIMUM_ROWS = 200


@step
def model_validation(
    candidate: Package,
    test: pd.DataFrame,
    champion: Champion | None,
    *,
    label: str = "label",
    block: str = "day",
    baseline: str = "",
    minimum_gain: float = 0.0,
    confidence: float = 0.9,
    resamples: int = 1000,
    seed: int = 0,
) -> Verdict:
    """Judges a candidate for a binary problem by ROC AUC.

    Args:
        candidate: the package that would be deployed; it is scored itself, not the estimator it was made from.
        test: rows newer than what any of the models was trained on.
        champion: what is in production; without one the baseline decides alone.
        label: the column with 0 or 1.
        block: the column whose equal values are drawn together.
        baseline: a column with the score of a simpler rule; empty for a constant.
        minimum_gain: ROC AUC that the lower end of the interval must gain over the champion.
        confidence: of the two-sided interval; 0.9 lets an equal model pass in 5 % of the cases.
        resamples, seed: of the bootstrap.

    Returns:
        Every check with its numbers. Missing columns, too few rows and a champion that cannot score the rows are failed
        checks, not exceptions: the verdict is the place to read why a candidate was refused.
    """
    champion_version = champion.version if champion else None
    digest = candidate.digest
    needed = [label, block, *([baseline] if baseline else [])]
    problem = _problem(test, needed, label)
    scores = None
    if not problem:
        try:
            scores = _score(candidate, test)
        except TidewheelError as error:
            problem = f"the candidate cannot score them: {error.what}"
    if scores is None:
        check = Check(name="test rows", passed=False, row_count=len(test), message=problem)
        return Verdict(candidate_digest=digest, champion_version=champion_version, checks=(check,))
    measure = partial(
        _against,
        scores=scores,
        labels=test[label].to_numpy(dtype=float),
        blocks=test[block].astype(str).to_numpy(),
        rest={"confidence": confidence, "resamples": resamples, "seed": seed},
    )
    both = f"{len(test):,} rows of both classes"
    checks = [
        Check(name="test rows", passed=True, row_count=len(test), message=both),
        measure("baseline", baseline or "a constant", lambda: _baseline(test, baseline), minimum_gain=0.0),
    ]
    if champion is not None:
        name, package = f"{champion.model} v{champion.version}", champion.package
        checks.append(measure("champion", name, lambda: _score(package, test), minimum_gain=minimum_gain))
    return Verdict(candidate_digest=digest, champion_version=champion_version, checks=tuple(checks))


def _problem(test: pd.DataFrame, columns: list[str], label: str) -> str:
    missing = [column for column in columns if column not in test.columns]
    if missing:
        return f"the test rows have no column {', '.join(map(repr, missing))}"
    if len(test) < MINIMUM_ROWS:
        return f"{len(test)} test rows are fewer than {MINIMUM_ROWS}"
    if test[label].isna().any() or not set(test[label].unique()) <= {0, 1}:
        return f"column {label!r} must hold 0 and 1 only"
    return "" if test[label].nunique() == 2 else "the test rows are all of one class"


def _score(package: Package, test: pd.DataFrame) -> np.ndarray:
    if package.signature.task != "binary":
        raise SchemaMismatchError(f"it is a {package.signature.task} model, which has no ROC AUC")
    names = [field.name for field in package.signature.inputs]
    missing = [name for name in names if name not in test.columns]
    if missing:
        raise SchemaMismatchError(f"it needs the columns {', '.join(map(repr, missing))}, which the test rows lack")
    columns: dict[str, Any] = columns_of(test[[name for name in names if not _is_plain(test[name])]])
    columns |= {name: test[name].to_numpy() for name in names if name not in columns}
    return package.open().predict(columns)["probability"].reshape(-1)


def _is_plain(values: pd.Series) -> bool:
    """Whether its array is taken as it is, which is far quicker than value by value."""
    return isinstance(values.dtype, np.dtype) and values.dtype.kind in "iufb"


def _baseline(test: pd.DataFrame, column: str) -> np.ndarray:
    if not column:
        return np.zeros(len(test))
    try:
        scores = test[column].to_numpy(dtype=float, na_value=np.nan)
    except (TypeError, ValueError):
        raise SchemaMismatchError(f"column {column!r} holds no numbers") from None
    if not np.isfinite(scores).all():
        raise SchemaMismatchError(f"{int((~np.isfinite(scores)).sum())} of its numbers are missing or infinite")
    return scores


def _against(
    kind: str,
    name: str,
    reference: Callable[[], np.ndarray],
    *,
    scores: np.ndarray,
    labels: np.ndarray,
    blocks: np.ndarray,
    minimum_gain: float,
    rest: dict[str, Any],
) -> Check:
    try:
        other = reference()
    except TidewheelError as error:
        return Check(name=f"better than {kind}", passed=False, message=f"{name} cannot be scored: {error.what}")
    gain = auc_difference(labels, scores, other, blocks, **rest)
    is_known = not math.isnan(gain.low)
    passed = is_known and gain.low > minimum_gain
    own, theirs = roc_auc(labels, scores), roc_auc(labels, other)
    interval = f"{rest['confidence']:.0%} interval {gain.low:+.4f} to {gain.high:+.4f}"
    if not is_known:
        interval = f"no interval from {gain.blocks} block" + ("s" if gain.blocks != 1 else "")
    return Check(
        name=f"better than {kind}",
        passed=passed,
        metric="roc_auc",
        value=own,
        reference=theirs,
        difference=gain.estimate,
        low=gain.low if is_known else None,
        high=gain.high if is_known else None,
        row_count=len(labels),
        message=f"AUC {own:.4f} against {theirs:.4f} of {name} on {len(labels):,} rows: gain {gain.estimate:+.4f}, "
        + interval
        + ("" if passed else f"; needed more than {minimum_gain:+.4f}"),
    )
