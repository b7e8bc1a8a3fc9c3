"""What a version's gate said, and what it was shown."""

from __future__ import annotations

from datetime import datetime

from tidewheel.core.errors import NotFoundError, TidewheelError
from tidewheel.core.records import Verdict
from tidewheel.metadata_store import ArtifactRecordStore
from tidewheel.workspace.stores import Stores


def verdict_of(stores: Stores, model: str, version: int) -> Verdict | None:
    """The verdict of a version, None when no gate judged it.

    Raises:
        NotFoundError, ArtifactMissingError, ArtifactCorruptError: it is not as it was recorded.
    """
    digest = stores.models.get(model, version).verdict_digest
    if not digest:
        return None
    artifact = ArtifactRecordStore(stores.database).find(digest)
    if artifact is None:
        raise NotFoundError("verdict", digest[:16], where=f"{model} v{version}", next_step="run its pipeline again")
    verdict: Verdict = stores.artifacts.load(artifact, as_type=Verdict)
    return verdict


def trained_until(stores: Stores, model: str, version: int) -> datetime | None:
    """The newest time that a version's training rows are about; None when its verdict does not say, or is damaged."""
    try:
        verdict = verdict_of(stores, model, version)
    except TidewheelError:
        return None
    return verdict.training.until if verdict and verdict.training else None
