"""Retrain when data validation found that values have moved. Paper: "data values skews"."""

from __future__ import annotations

from datetime import datetime

from tidewheel.core.records import Event, Signal
from tidewheel.core.records.record import Record
from tidewheel.triggers.signal_event import event_of


class ValueSkew(Record, frozen=True, kw_only=True, tag="value_skew"):
    """Fires once for each alarm about values, unless the run that found it has retrained the model itself.

    Attributes:
        name: unique among a model's triggers.
        monitor: whose alarms count.
    """

    name: str = "value skew"
    monitor: str = "data validation"

    def fire(self, signal: Signal, pipeline: str, now: datetime) -> Event | None:
        """The event of a signal, None when it is about something else, no alarm, or answered already."""
        if signal.monitor != self.monitor or not signal.is_alarm or signal.numbers.get("retrained_by"):
            return None
        return event_of(signal, self.name, pipeline, now)
