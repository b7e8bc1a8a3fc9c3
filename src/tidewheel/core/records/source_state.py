"""The project's sources at one moment."""

from __future__ import annotations

from tidewheel.core.records.record import Record


class SourceState(Record, frozen=True, kw_only=True):
    """Which files a run imported, and what Git knew of them.

    Attributes:
        digest: over the paths, modes and digests of the files.
        files: content digest by POSIX path relative to the project's root.
        commit, branch, author: empty when the project is no Git repository.
        is_dirty: files differ from the commit, untracked ones included.
        changed: the paths that differ.
        warnings: what is lost, in words, such as "no Git repository: ...".
    """

    digest: str
    files: dict[str, str]
    commit: str = ""
    branch: str = ""
    author: str = ""
    is_dirty: bool = False
    changed: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
