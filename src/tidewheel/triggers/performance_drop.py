"""Retrain when a performance monitor raised an alarm. Paper: "on model performance degradation"."""

from __future__ import annotations

from datetime import datetime

from tidewheel.core.records import Event, Signal
from tidewheel.core.records.record import Record
from tidewheel.triggers.signal_event import event_of


class PerformanceDrop(Record, frozen=True, kw_only=True, tag="performance_drop"):
    """Fires once for each alarm of the named monitor.

    Attributes:
        name: unique among a model's triggers.
        monitor: the monitor whose alarms count.
    """

    name: str = "performance drop"
    monitor: str = "performance"

    def fire(self, signal: Signal, pipeline: str, now: datetime) -> Event | None:
        """The event of a signal, None when the signal is no alarm of this trigger's monitor."""
        if signal.monitor != self.monitor or not signal.is_alarm:
            return None
        return event_of(signal, self.name, pipeline, now)
