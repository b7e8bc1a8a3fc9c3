"""What a prediction server shall serve, and what it does serve: the two files of an endpoint's folder."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

from tidewheel.core.digest import digest_value
from tidewheel.core.records.outlier import OutlierCount
from tidewheel.core.records.record import Record

OUTLIERS = "outliers.json"
"""Beside them, what an endpoint's server counts: `OutlierCounts`."""


class EndpointSpec(Record, frozen=True, kw_only=True):
    """The desired state of one server, in `desired.json`.

    Attributes:
        endpoint, place: its name and where it runs.
        model, version: what answers.
        package_path, package_digest: the stored package and the digest that it must have.
        package_codec: the codec's identity, which enters the digest.
        log_folder: where segments of the prediction log are written.
        host, port: where it listens; 0 for any free port.
        segment_rows, max_body_bytes: see the serving configuration.
        is_clock_virtual: whether requests tell the time by the header `Tidewheel-At`.
        features: definitions of the views that give some of the model's inputs, as the version was trained with them.
        online_path: the online store in which they are looked up.
    """

    endpoint: str
    place: str
    model: str
    version: int
    package_path: str
    package_digest: str
    package_codec: str
    log_folder: str
    host: str = "127.0.0.1"
    port: int = 0
    segment_rows: int = 10_000
    max_body_bytes: int = 8 << 20
    is_clock_virtual: bool = False
    features: tuple[dict[str, Any], ...] = ()
    online_path: str = ""


class EndpointState(Record, frozen=True, kw_only=True):
    """What is known of a server, from its `state.json` and its lock.

    Attributes:
        status: `ready` answers; `starting` does not yet; `dead` has no process; `refused` could not load what was
            desired (an earlier version may still answer, then `version` names it).
        url: `http://host:port`; empty before it listens.
        message: why it is not ready.
        features: digest of the definitions of views that it looks features up by; empty when it takes all as they are.
        judged_count: rows that were held against the package's limits since this version began to answer here; 0 when
            it has none.
        outliers: how many of them were beyond, by column and policy.
    """

    endpoint: str
    place: str
    model: str
    version: int
    package_digest: str
    status: Literal["ready", "starting", "dead", "refused"]
    pid: int = 0
    url: str = ""
    message: str = ""
    started_at: datetime | None = None
    features: str = ""
    judged_count: int = 0
    outliers: tuple[OutlierCount, ...] = ()

    @property
    def is_alive(self) -> bool:
        """Whether some version answers."""
        return self.status == "ready" or (self.status == "refused" and bool(self.url))


def features_digest(features: Sequence[dict[str, Any]]) -> str:
    """Names the definitions of views that an endpoint looks features up by; empty for none."""
    return digest_value("served features", list(features)) if features else ""
