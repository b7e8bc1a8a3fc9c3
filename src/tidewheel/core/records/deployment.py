"""A model version at an endpoint."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from tidewheel.core.records.record import Record

Role = Literal["champion", "challenger", "shadow"]


class Deployment(Record, frozen=True, kw_only=True):
    """The desired state: which version answers where.

    Attributes:
        id: sortable by creation.
        endpoint: the endpoint's name; by default the model's.
        place: where it runs; `dev` is the loopback server of this machine.
        model, version, package_digest: what answers.
        role: champion answers; challenger answers a share; shadow answers nobody.
        share: of the traffic, 0..1.
        event_id: the cause.
        features: definitions of the views that features are looked up by: those that the version was trained with.
        is_active: the newest deployment of an endpoint is, until it is taken down.
        at, recorded_at: workspace clock; wall clock.
    """

    id: str
    endpoint: str
    place: str
    model: str
    version: int
    package_digest: str
    role: Role = "champion"
    share: float = 1.0
    event_id: str
    features: tuple[dict[str, Any], ...] = ()
    is_active: bool = True
    at: datetime
    recorded_at: datetime
