"""How good probabilities are."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn import metrics

from tidewheel import Metrics

BINS = 10


def score(labels: np.ndarray, probabilities: np.ndarray) -> Metrics:
    """ROC AUC (the ranking), with average precision, log loss, Brier score and calibration error beside it."""
    return Metrics(
        roc_auc=float(metrics.roc_auc_score(labels, probabilities)),
        average_precision=float(metrics.average_precision_score(labels, probabilities)),
        log_loss=float(metrics.log_loss(labels, probabilities)),
        brier_score=float(metrics.brier_score_loss(labels, probabilities)),
        calibration_error=calibration_error(labels, probabilities),
    )


def reliability(labels: np.ndarray, probabilities: np.ndarray) -> pd.DataFrame:
    """Said against seen: rows in order of probability in ten parts of equal size, each with both means and a count."""
    rows = pd.DataFrame({"said": probabilities, "seen": labels}).sort_values("said", kind="stable")
    part = np.arange(len(rows)) * BINS // max(1, len(rows))
    grouped = rows.groupby(part)
    return grouped.mean().assign(count=grouped.size()).reset_index(drop=True)


def calibration_error(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """The mean gap between said and seen over the ten parts, weighted by their rows; 0 is perfect.

    Example:
        >>> calibration_error(np.array([0, 1, 0, 1]), np.array([0.5, 0.5, 0.5, 0.5]))
        0.5
    """
    parts = reliability(labels, probabilities)
    return float(np.average((parts["said"] - parts["seen"]).abs(), weights=parts["count"]))
