"""Retrain when data validation found that values have moved. Paper: "data values skews"."""

from __future__ import annotations

from datetime import datetime

from tidewheel.core.clock import utc_now
from tidewheel.core.identifier import new_id
from tidewheel.core.records import Event, Evidence, Signal
from tidewheel.core.records.record import Record


class ValueSkew(Record, frozen=True, kw_only=True, tag="value_skew"):
    """Fires once for each alarm about values, unless the run that found it has retrained the model itself.

    Attributes:
        name: unique among a model's triggers.
        monitor: whose alarms count.
    """

    name: str = "value skew"
    monitor: str = "data validation"

    def fire(self, signal: Signal, pipeline: str, now: datetime) -> Event | None:
        """The event of a signal, None when it is about something else, no alarm, or answered already.

        The event's key is made from the signal's, so firing again gives the same event.
        """
        if signal.monitor != self.monitor or not signal.is_alarm or signal.numbers.get("retrained_by"):
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
