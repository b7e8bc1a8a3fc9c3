"""Pure numbers: metrics of predictions and intervals of their differences. No store, no model."""

from tidewheel.statistics.binary_metrics import (
    average_precision,
    brier_score,
    calibration_error,
    log_loss,
    roc_auc,
)
from tidewheel.statistics.block_bootstrap import Interval, auc_difference, auc_interval

__all__ = [
    "Interval",
    "auc_difference",
    "auc_interval",
    "average_precision",
    "brier_score",
    "calibration_error",
    "log_loss",
    "roc_auc",
]
