"""Git, the project's sources as one artifact, the closure of a step, and the runtime that it reaches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidewheel.source_repository.closure import Closure, missed_modules
from tidewheel.source_repository.git import GitRepository, GitState
from tidewheel.source_repository.lock import lock_digest, lock_mismatches
from tidewheel.source_repository.runtime import read_runtime
from tidewheel.source_repository.source_copy import (
    SourcesChangedError,
    capture_sources,
    copy_sources,
    pack_sources,
    unpack_sources,
)
from tidewheel.source_repository.sources import find_import_roots, read_sources

if TYPE_CHECKING:
    from tidewheel.source_repository.project_code import ProjectCode as ProjectCode

__all__ = [
    "Closure",
    "GitRepository",
    "GitState",
    "ProjectCode",
    "SourcesChangedError",
    "capture_sources",
    "copy_sources",
    "find_import_roots",
    "lock_digest",
    "lock_mismatches",
    "missed_modules",
    "pack_sources",
    "read_runtime",
    "read_sources",
    "unpack_sources",
]


def __getattr__(name: str) -> Any:
    # Parsing is needed when the sources changed; a run whose plan is known does without `ast`.
    if name == "ProjectCode":
        from tidewheel.source_repository.project_code import ProjectCode

        return ProjectCode
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
