"""What a replay of served features found, as data."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tidewheel.core.records.record import Record


class ReplayDifference(Record, frozen=True, kw_only=True):
    """One value that a model was given and history does not give.

    Attributes:
        prediction_id, at: of the row in the prediction log.
        served: what the model was given.
        offline: what the join gives for that time.
    """

    prediction_id: str
    at: datetime
    served: Any
    offline: Any


class ReplayedFeature(Record, frozen=True, kw_only=True):
    """One feature of one version.

    Attributes:
        version: of the model.
        view, feature: their names.
        compared: values that could be computed again: the request told the entity keys, or the inputs on demand.
        different: those of them that are not equal, bit for bit.
        largest: the largest absolute difference among numbers; None where no two numbers differ.
        explanation: which fault gives the served values, in words, if one gives most of them; empty otherwise.
        examples: the first differences in time.
    """

    version: int
    view: str
    feature: str
    compared: int
    different: int = 0
    largest: float | None = None
    explanation: str = ""
    examples: tuple[ReplayDifference, ...] = ()


class FeatureReplay(Record, frozen=True, kw_only=True):
    """The certificate of a model's served features over a window of its prediction log.

    Attributes:
        model: its name.
        since, until: the window, half open, by the time of the prediction; None where it is open.
        row_count: answered rows in the window, of versions that are served with feature views.
        replayed_count: those of which every feature could be computed again.
        features: by version, view and feature.
        snapshots: what history was read from, as `TABLE@ID`.
    """

    model: str
    since: datetime | None
    until: datetime | None
    row_count: int
    replayed_count: int
    features: tuple[ReplayedFeature, ...]
    snapshots: tuple[str, ...]

    @property
    def share(self) -> float:
        """Which part of the rows was computed again as a whole; 0 when there is none."""
        return self.replayed_count / self.row_count if self.row_count else 0.0

    @property
    def different(self) -> tuple[ReplayedFeature, ...]:
        """The features that models were given otherwise than history has them."""
        return tuple(one for one in self.features if one.different)
