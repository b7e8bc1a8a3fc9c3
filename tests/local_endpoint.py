"""One endpoint on this machine, with versions 1, 2, ... of a model to deploy there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from tidewheel.artifact_store import LocalArtifactStore
from tidewheel.core.config import ServingConfig
from tidewheel.core.records import Deployment
from tidewheel.deployment import LocalDeployment
from tidewheel.model_package import Package
from tidewheel.workspace.codecs import codec_table


@contextmanager
def local_endpoint(folder: Path, packages: Sequence[Package], *, is_clock_virtual: bool) -> Iterator[LocalDeployment]:
    """Where `deployment` brings the packages; `digests` are theirs. The endpoint is taken down at the end."""
    store = LocalArtifactStore(folder / "artifacts", codec_table())
    place = LocalDeployment(
        folder / "endpoints",
        artifacts=store,
        serving=ServingConfig(),
        server_module="tidewheel.prediction_service.server",
        is_clock_virtual=is_clock_virtual,
    )
    place.digests = [store.put(package).digest for package in packages]
    try:
        yield place
    finally:
        place.take_down("model")


def deployment(place: LocalDeployment, version: int) -> Deployment:
    """That version is to answer."""
    now = datetime.now(UTC)
    return Deployment(
        id=f"d{version}",
        endpoint="model",
        place="dev",
        model="model",
        version=version,
        package_digest=place.digests[version - 1],
        event_id="e",
        at=now,
        recorded_at=now,
    )
