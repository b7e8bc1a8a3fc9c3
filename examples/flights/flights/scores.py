"""How good probabilities are."""

from __future__ import annotations

import numpy as np
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


def calibration_error(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """The mean gap between said and seen over ten parts of the rows in order of probability; 0 is perfect.

    Example:
        >>> calibration_error(np.array([0, 1, 0, 1]), np.array([0.5, 0.5, 0.5, 0.5]))
        0.5
    """
    order = np.argsort(probabilities, kind="stable")
    parts = np.array_split(order, min(BINS, len(order)))
    gaps = [abs(float(probabilities[part].mean() - labels[part].mean())) for part in parts]
    return float(np.average(gaps, weights=[len(part) for part in parts]))
