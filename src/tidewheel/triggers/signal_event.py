"""The event that a trigger makes of a signal."""

from __future__ import annotations

from datetime import datetime

from tidewheel.core.clock import utc_now
from tidewheel.core.identifier import new_id
from tidewheel.core.records import Event, Evidence, Signal


def event_of(signal: Signal, trigger: str, pipeline: str, now: datetime) -> Event:
    """The event that asks for a run of a pipeline because of a signal.

    Its key is made from the trigger's name and the signal's key, so firing again gives the same event.
    """
    return Event(
        id=new_id(),
        kind="signal",
        subject=pipeline,
        evidence=(
            Evidence(kind="signal", ref=signal.id, note=signal.message),
            Evidence(kind="model_version", ref=f"{signal.model}/{signal.version}"),
        ),
        key=f"{trigger}/{signal.key}",
        at=now,
        recorded_at=utc_now(),
    )
