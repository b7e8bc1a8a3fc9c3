"""A champion for a step or a notebook, also when its package is damaged: who uses it decides what that means."""

from __future__ import annotations

from datetime import datetime

from tidewheel.artifact_store import LocalArtifactStore
from tidewheel.core.errors import ArtifactCorruptError, ArtifactMissingError, TidewheelError, UnreadableFileError
from tidewheel.core.records import Artifact
from tidewheel.model_package import Champion, Package

_DAMAGES = (ArtifactMissingError, ArtifactCorruptError, UnreadableFileError)


def load_champion(
    store: LocalArtifactStore, model: str, version: int, package: Artifact, trained_until: datetime | None
) -> Champion:
    """The champion with its package, or with the error that asking for the package raises.

    A damaged file stays where it is, unlike that of a step's input: no run of its step has to make it again.

    Raises:
        StorageError: the disk cannot be read, which says nothing about the champion.
    """
    found: Package | TidewheelError
    try:
        found = store.load(package)
    except _DAMAGES as error:
        next_step = f"bring the file back, or promote another version: `tidewheel models {model}`"
        found = type(error)(error.what, where=error.where, next_step=next_step)
    return Champion(model, version, found, trained_until)
