"""What a monitor found."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from tidewheel.core.records.event import Evidence
from tidewheel.core.records.record import Record

SignalKind = Literal["skew", "drift", "outliers", "performance", "health"]


class Signal(Record, frozen=True, kw_only=True):
    """One look of a monitor at one window.

    Attributes:
        id: sortable by creation.
        key: a monitor that looks twice at the same window writes once.
        monitor: its name.
        kind: what it watches.
        model, version: whose behaviour.
        window_start, window_end: the time of the data, half open.
        is_alarm: whether it found what it looks for.
        value, threshold: the number and the limit that it was held against.
        numbers: everything measured, by name.
        evidence: snapshots and versions it was computed from.
        message: the finding in words.
        at, recorded_at: workspace clock; wall clock.
    """

    id: str
    key: str
    monitor: str
    kind: SignalKind
    model: str
    version: int
    window_start: datetime
    window_end: datetime
    is_alarm: bool
    value: float | None
    threshold: float | None
    numbers: dict[str, Any]
    evidence: tuple[Evidence, ...]
    message: str
    at: datetime
    recorded_at: datetime
