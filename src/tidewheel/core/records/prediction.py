"""What was asked and answered."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tidewheel.core.records.outlier import Outlier
from tidewheel.core.records.record import Record


class Prediction(Record, frozen=True, kw_only=True):
    """One answered row.

    Attributes:
        id: unique; labels are joined by it.
        request_id: the request that it came in; rows of one request share it.
        endpoint, place, model, version, package_digest: who answered.
        inputs: the row as the model was given it, by feature name.
        outputs: the row as answered, by output name; by the fallback where an outlier's policy is to fall back.
        score: the main output as one number: the probability of the positive class, or the regression's value.
        at, recorded_at: workspace clock; wall clock.
        asked: the row as asked, where the model was given another: what is not in it came from views, and what differs
            was clipped.
        outliers: what of it was beyond limits, and what was done about it.
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
    outliers: tuple[Outlier, ...] = ()

    @property
    def is_quarantined(self) -> bool:
        """Whether a policy keeps it out of what is trained on."""
        return any(one.policy == "quarantine" for one in self.outliers)
