"""Metrics of a binary problem in numpy alone, for processes that must not pay for scikit-learn's import.

Labels are 0 or 1, scores are probabilities of 1; both one-dimensional and of equal length. What cannot be computed is
NaN, never an invented number.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tidewheel.core.errors import ParameterError

Numbers = NDArray[np.float64]


def roc_auc(labels: ArrayLike, scores: ArrayLike, weights: ArrayLike | None = None) -> float:
    """The probability that a positive scores above a negative, ties counting half (Hanley and McNeil, 1982).

    Args:
        weights: how often each row counts.

    Returns:
        0..1; NaN when one of the classes is absent.

    Example:
        >>> roc_auc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
        0.75
    """
    truth, score = checked(labels, scores)
    weight = np.ones_like(truth) if weights is None else _numbers(weights, "weights")
    if weight.shape != truth.shape or not (np.isfinite(weight) & (weight >= 0)).all():
        raise ParameterError("weights must be finite, not negative, and one per row")
    order, groups = tie_groups(score)
    return grouped_auc(truth[order], weight[order], groups)


def tie_groups(score: Numbers) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The order of ascending scores, and where in it each run of equal scores starts."""
    order = np.argsort(score, kind="stable")
    ordered = score[order]
    return order, np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])


def grouped_auc(truth: Numbers, weight: Numbers, groups: NDArray[np.intp]) -> float:
    """ROC AUC of rows in the order of `tie_groups`; linear, so that resamples do not sort again."""
    positive = np.add.reduceat(truth * weight, groups)
    negative = np.add.reduceat((1.0 - truth) * weight, groups)
    pairs = positive.sum() * negative.sum()
    if pairs == 0:
        return float("nan")
    below = np.cumsum(negative) - negative
    return float((positive * (below + negative / 2)).sum() / pairs)


def average_precision(labels: ArrayLike, scores: ArrayLike) -> float:
    """The mean of precision over recall steps, as scikit-learn defines it; NaN without positives.

    Example:
        >>> round(average_precision([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]), 4)
        0.8333
    """
    truth, score = checked(labels, scores)
    if not truth.sum():
        return float("nan")
    order = np.argsort(-score, kind="stable")
    ordered = score[order]
    last = np.flatnonzero(np.r_[ordered[1:] != ordered[:-1], True])
    found = np.cumsum(truth[order])[last]
    precision, recall = found / (last + 1), found / truth.sum()
    return float((np.diff(recall, prepend=0.0) * precision).sum())


def log_loss(labels: ArrayLike, scores: ArrayLike) -> float:
    """Mean negative log likelihood in nats; scores are kept 1e-15 away from 0 and 1.

    Example:
        >>> round(log_loss([0, 1], [0.5, 0.5]), 4)
        0.6931
    """
    truth, score = checked(labels, scores)
    kept = np.clip(score, 1e-15, 1 - 1e-15)
    return float(-(truth * np.log(kept) + (1 - truth) * np.log(1 - kept)).mean())


def brier_score(labels: ArrayLike, scores: ArrayLike) -> float:
    """Mean squared difference of probability and outcome (Brier, 1950).

    Example:
        >>> brier_score([0, 1], [0.5, 0.5])
        0.25
    """
    truth, score = checked(labels, scores)
    return float(((score - truth) ** 2).mean())


def calibration_error(labels: ArrayLike, scores: ArrayLike, *, bins: int = 10) -> float:
    """Expected calibration error: the mean gap between said and true share, over bins of equal row count.

    Equal counts instead of equal widths, so that no bin is too thin to say anything (Nixon et al., 2019).

    Example:
        >>> calibration_error([0, 1, 0, 1], [0.5, 0.5, 0.5, 0.5], bins=2)
        0.0
    """
    truth, score = checked(labels, scores)
    if bins < 1:
        raise ParameterError(f"bins {bins} must be at least 1")
    order, groups = tie_groups(score)
    # Equal scores share their mean outcome, so that the result does not depend on which of them falls into which bin.
    counts = np.diff(groups, append=len(order))
    shares = np.repeat(np.add.reduceat(truth[order], groups) / counts, counts)
    parts = np.array_split(np.arange(len(order)), min(bins, len(order)))
    gaps = [abs(score[order][part].mean() - shares[part].mean()) * len(part) for part in parts]
    return float(sum(gaps) / len(order))


def checked(labels: ArrayLike, scores: ArrayLike) -> tuple[Numbers, Numbers]:
    """Labels and scores as float arrays.

    Raises:
        ParameterError: they are empty, of unequal length, or not 0/1 and finite numbers.
    """
    truth, score = _numbers(labels, "labels"), _numbers(scores, "scores")
    if truth.ndim != 1 or truth.shape != score.shape or not len(truth):
        raise ParameterError(f"labels {truth.shape} and scores {score.shape} must be equally long and not empty")
    if not np.isin(truth, (0.0, 1.0)).all():
        raise ParameterError("labels must be 0 or 1", next_step="leave out rows without a label")
    if not np.isfinite(score).all():
        raise ParameterError(f"{int((~np.isfinite(score)).sum())} scores are not finite numbers")
    return truth, score


def _numbers(values: ArrayLike, name: str) -> Numbers:
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ParameterError(f"{name} are not numbers: {error}") from None
