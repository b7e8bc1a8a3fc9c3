"""Rules that turn what happened into Events; each event starts at most one run."""

from tidewheel.triggers.performance_drop import PerformanceDrop

__all__ = ["PerformanceDrop"]
