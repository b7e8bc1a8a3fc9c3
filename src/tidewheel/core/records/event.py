"""The firing of a trigger."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from tidewheel.core.records.record import Record

EventKind = Literal["request", "schedule", "snapshot", "signal", "champion", "resume"]


class Evidence(Record, frozen=True, kw_only=True):
    """A fact that an event or signal rests on: which noun, and which one of them.

    Attributes:
        kind: a noun of the glossary in lower case: `signal`, `snapshot`, `run`, `model_version`, `person`, `command`.
        ref: its id or digest, or for a person and a command its text.
        note: what it says, in words.
    """

    kind: str
    ref: str
    note: str = ""


class Event(Record, frozen=True, kw_only=True):
    """Why something was started; an event starts at most one run.

    Attributes:
        id: sortable by creation.
        kind: which rule fired; `request` is a person or program that asked, `champion` that another version
            became it before a candidate was promoted.
        subject: what is to be started: a pipeline's or a model's name, or an operation.
        evidence: what it rests on.
        key: two events with one key are the same event; a trigger that fires twice writes once.
        at: workspace clock.
        recorded_at: wall clock.
    """

    id: str
    kind: EventKind
    subject: str
    evidence: tuple[Evidence, ...]
    key: str
    at: datetime
    recorded_at: datetime
