"""A registered package of a model."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, Literal

from tidewheel.core.records.artifact import Artifact
from tidewheel.core.records.record import Record
from tidewheel.core.records.snapshot import Snapshot

ModelState = Literal["candidate", "approved", "rejected", "retired", "deleted"]
"""`candidate`: no gate judged it. `deleted`: its package is gone, and all that is known of it stays."""

TRANSITIONS: Mapping[ModelState, frozenset[ModelState]] = MappingProxyType(
    {
        "candidate": frozenset({"approved", "rejected", "retired", "deleted"}),
        "approved": frozenset({"rejected", "retired", "deleted"}),
        "rejected": frozenset({"approved", "retired", "deleted"}),
        "retired": frozenset({"candidate", "deleted"}),
        "deleted": frozenset({"candidate", "approved", "rejected"}),
    }
)
"""What a version may become. From `deleted` only its registration leads back, with a package that was made again."""


class ModelVersion(Record, frozen=True, kw_only=True):
    """What was registered, from which run, on which data.

    Attributes:
        model: the model's declared name.
        version: 1, 2, 3, ... in the order of registration.
        state: where it is on its way.
        package: the deliverable.
        run_id: the run that made it.
        metrics, parameters: of that run.
        snapshots: the tables' snapshots that it rests on, tagged so that they stay.
        previous_version: the champion when it was registered, for rollback and re-scoring; None for the first.
        verdict_digest: the artifact of its verdict; empty when no gate judged it.
        reason: why it has this state, in one line.
        features: definitions of the views that its run joined and that it is served with, as `meaning` gives them.
        at: workspace clock of the registration.
        recorded_at: wall clock.
    """

    model: str
    version: int
    state: ModelState
    package: Artifact
    run_id: str
    metrics: dict[str, float | None]
    parameters: dict[str, Any]
    snapshots: tuple[Snapshot, ...]
    previous_version: int | None = None
    verdict_digest: str = ""
    reason: str = ""
    features: tuple[dict[str, Any], ...] = ()
    at: datetime
    recorded_at: datetime
