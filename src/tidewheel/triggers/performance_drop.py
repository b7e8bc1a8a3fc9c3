"""Retrain when a performance monitor raised an alarm. Paper: "on model performance degradation"."""

from __future__ import annotations

from datetime import datetime

from tidewheel.core.clock import utc_now
from tidewheel.core.identifier import new_id
from tidewheel.core.records import Event, Evidence, Signal
from tidewheel.core.records.record import Record


class PerformanceDrop(Record, frozen=True, kw_only=True, tag="performance_drop"):
    """Fires once for each alarm of the named monitor.

    Attributes:
        name: unique among a model's triggers.
        monitor: the monitor whose alarms count.
    """

    name: str = "performance drop"
    monitor: str = "performance"

    def fire(self, signal: Signal, pipeline: str, now: datetime) -> Event | None:
        """The event of a signal, None when the signal is no alarm of this trigger's monitor.

        The event's key is made from the signal's, so firing again gives the same event.
        """
        if signal.monitor != self.monitor or not signal.is_alarm:
            return None
        return Event(
            id=new_id(),
            kind="signal",
            subject=pipeline,
            evidence=(
                Evidence(kind="signal", ref=signal.id, note=signal.message),
                Evidence(kind="model_version", ref=f"{signal.model}/{signal.version}"),
            ),
            key=f"{self.name}/{signal.key}",
            at=now,
            recorded_at=utc_now(),
        )
