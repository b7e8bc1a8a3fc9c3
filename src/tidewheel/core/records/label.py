"""What turned out to be true."""

from __future__ import annotations

from datetime import datetime

from tidewheel.core.records.record import Record


class Label(Record, frozen=True, kw_only=True):
    """The truth about one prediction; a later one for the same prediction corrects it.

    Attributes:
        prediction_id: which prediction.
        value: the true target as a number: 0 or 1 for a binary problem.
        at: workspace clock when it became known.
        recorded_at: wall clock.
    """

    prediction_id: str
    value: float
    at: datetime
    recorded_at: datetime
