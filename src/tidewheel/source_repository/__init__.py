"""Git, the project's sources as one artifact, the closure of a step, and the runtime that it reaches."""

from __future__ import annotations

from tidewheel.source_repository.git import GitRepository, GitState
from tidewheel.source_repository.source_copy import (
    SourcesChangedError,
    capture_sources,
    copy_sources,
    pack_sources,
    unpack_sources,
)
from tidewheel.source_repository.sources import find_import_roots, read_sources

__all__ = [
    "GitRepository",
    "GitState",
    "SourcesChangedError",
    "capture_sources",
    "copy_sources",
    "find_import_roots",
    "pack_sources",
    "read_sources",
    "unpack_sources",
]
