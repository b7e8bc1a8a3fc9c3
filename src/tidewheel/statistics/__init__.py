"""Pure numbers: profiles of tables and how far they are apart, metrics of predictions. No store, no model.

Profiles are made by `tidewheel.statistics.profile_pass`, which alone imports pyarrow.
"""

from tidewheel.statistics.binary_metrics import (
    average_precision,
    brier_score,
    calibration_error,
    log_loss,
    roc_auc,
)
from tidewheel.statistics.block_bootstrap import Interval, auc_difference, auc_interval
from tidewheel.statistics.column_profile import ColumnProfile
from tidewheel.statistics.profile import Profile, merge_profiles
from tidewheel.statistics.profile_comparison import ColumnDistance, ProfileComparison, compare_profiles

__all__ = [
    "ColumnDistance",
    "ColumnProfile",
    "Interval",
    "Profile",
    "ProfileComparison",
    "auc_difference",
    "auc_interval",
    "average_precision",
    "brier_score",
    "calibration_error",
    "compare_profiles",
    "log_loss",
    "merge_profiles",
    "roc_auc",
]
