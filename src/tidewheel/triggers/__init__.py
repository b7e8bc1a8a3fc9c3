"""Rules that turn what happened into Events; each event starts at most one run."""

from tidewheel.triggers.performance_drop import PerformanceDrop
from tidewheel.triggers.value_skew import ValueSkew

__all__ = ["PerformanceDrop", "ValueSkew"]
