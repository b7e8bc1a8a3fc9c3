"""What was asked and answered."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tidewheel.core.records.record import Record


class Prediction(Record, frozen=True, kw_only=True):
    """One answered row.

    Attributes:
        id: unique; labels are joined by it.
        request_id: the request that it came in; rows of one request share it.
        endpoint, place, model, version, package_digest: who answered.
        inputs: the row as the model was given it, by feature name.
        outputs: the row as answered, by output name.
        score: the main output as one number: the probability of the positive class, or the regression's value.
        at, recorded_at: workspace clock; wall clock.
        asked: the row as asked, where features were looked up: what is not in it came from views.
    """

    id: str
    request_id: str
    endpoint: str
    place: str
    model: str
    version: int
    package_digest: str
    inputs: dict[str, Any]
    outputs: dict[str, Any]
    score: float | None
    at: datetime
    recorded_at: datetime
    asked: dict[str, Any] = {}
