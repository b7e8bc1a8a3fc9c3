"""The project's sources at one moment, uncommitted changes included."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from tidewheel.core.digest import digest_value
from tidewheel.core.errors import SourceError
from tidewheel.core.records import SourceState
from tidewheel.source_repository.git import GitRepository, GitState, NoRepositoryError
from tidewheel.source_repository.listing import Exclusion, expand_nested, walk_files, without_clutter
from tidewheel.source_repository.source_file import read_source_file

LARGEST_BYTES = 20 * 2**20
"""Larger files are data and no sources; they are left out with a warning."""

_LOSS = "runs record no commit, branch or author, and a model cannot be traced to a commit; run `git init` and commit"


def read_sources(root: Path, *, exclude: Sequence[str] = ()) -> SourceState:
    """The files of a project and what Git knows of them.

    In a Git repository these are the tracked files and the untracked ones that are not ignored, below `root`; elsewhere
    all files except virtual environments, caches and build output.

    Args:
        root: the project's folder; it may be a subfolder of the repository.
        exclude: paths or globs relative to `root`; a folder stands for all that is below it.

    Raises:
        SourceError: Git refuses to read the repository, a file cannot be read, or a link leaves the project.
    """
    root = Path(os.path.abspath(root))
    if not root.is_dir():
        raise SourceError(f"project folder {root.name!r} does not exist", where=str(root))
    git, warnings = _ask_git(root)
    exclusion = Exclusion(root, exclude)
    listed = expand_nested(root, git.files) if git else walk_files(root)
    paths = [path for path in without_clutter(listed) if not exclusion.covers(path)]
    changed = git.changed if git else ()
    files = dict(_digests(root, paths, warnings))
    changed = tuple(path for path in without_clutter(changed) if not exclusion.covers(path) and _is_text(path))
    return SourceState(
        digest=digest_sources(files),
        files=files,
        commit=git.commit if git else "",
        branch=git.branch if git else "",
        author=git.author if git else "",
        is_dirty=bool(changed),
        changed=changed,
        warnings=tuple(warnings),
    )


def digest_sources(files: dict[str, str]) -> str:
    """The digest of a `SourceState` with these files (path -> digest, which covers the mode)."""
    return digest_value("sources", files)


def find_import_roots(root: Path) -> list[Path]:
    """Where a project's modules are imported from: its root, and `src` below it when there is one.

    Example:
        >>> find_import_roots(Path("/nowhere"))
        [...Path('/nowhere')]
    """
    source = root / "src"
    return [root, source] if source.is_dir() else [root]


def _ask_git(root: Path) -> tuple[GitState | None, list[str]]:
    repository = GitRepository.find(root)
    if repository is None:
        return None, [f"the project is no Git repository: {_LOSS}"]
    try:
        state = repository.read(root)
    except NoRepositoryError as error:
        return None, [f"{error.what}: {_LOSS}"]
    if not state.files and any(walk_files(root)):
        return None, [f"the project is ignored by the Git repository around it, {repository.top}: {_LOSS}"]
    return state, [] if state.commit else ["the Git repository has no commit yet: runs record none; commit first"]


def _digests(root: Path, paths: Sequence[str], warnings: list[str]) -> Iterator[tuple[str, str]]:
    top = str(root)
    for path in paths:
        if not _is_text(path):
            warnings.append(f"{os.fsencode(path)!r} is left out of the sources: its name is not UTF-8")
            continue
        size = _size(f"{top}/{path}")
        if size > LARGEST_BYTES:
            warnings.append(
                f"{path} is left out of the sources: {size / 2**20:.0f} MiB are more than {LARGEST_BYTES >> 20}; "
                "ingest it as a table, or list it under project.exclude"
            )
            continue
        file = read_source_file(top, path)
        if file is not None:  # a tracked file that was deleted, or a pipe
            yield path, file.digest


def _size(path: str) -> int:
    try:
        return os.lstat(path).st_size
    except OSError:
        return 0


def _is_text(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True
