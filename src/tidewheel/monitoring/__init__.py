"""Watches windows of data and writes Signals; decides nothing."""

from tidewheel.monitoring.performance import LabelledRows, PerformanceMonitor
from tidewheel.monitoring.period import Period, last_complete

__all__ = ["LabelledRows", "PerformanceMonitor", "Period", "last_complete"]
