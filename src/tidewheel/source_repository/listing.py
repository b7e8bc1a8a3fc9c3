"""Which files below a folder are the project's sources."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from tidewheel.source_repository.git import GitRepository, NoRepositoryError

# Never sources, whether Git ignores them or not.
_NEVER = frozenset(
    """.git .hg .svn .tidewheel .venv __pycache__ __pypackages__ .eggs .ipynb_checkpoints .mypy_cache .nox .pytest_cache
    .ruff_cache .hypothesis .tox node_modules""".split()
)
# Build output and the like, by name; only where no .gitignore says it better.
_UNTOLD = frozenset(["build", "dist", "venv", "env", "htmlcov", "mlruns"])
_UNTOLD_ENDINGS = (".egg-info", ".dist-info")
_ENVIRONMENT_MARK = "pyvenv.cfg"


class Exclusion:
    """What a project leaves out on purpose.

    Args:
        root: the project's folder.
        patterns: paths or globs relative to the root (absolute ones below it are understood); a folder stands for all
            that is below it.

    Example:
        >>> exclusion = Exclusion(Path("/p"), ["data", "*.parquet", "/p/out"])
        >>> [exclusion.covers(path) for path in ("data/a.csv", "x/rows.parquet", "out/b", "database.py")]
        [True, True, True, False]
    """

    def __init__(self, root: Path, patterns: Sequence[str]) -> None:
        self._patterns = tuple(filter(None, (_relative(root, pattern) for pattern in patterns)))

    def covers(self, path: str) -> bool:
        """Whether the POSIX path is left out."""
        return any(
            path.startswith(pattern + "/") or fnmatchcase(path, pattern) or fnmatchcase(path, f"{pattern}/*")
            for pattern in self._patterns
        )


def _relative(root: Path, pattern: str) -> str:
    path = os.path.normpath(pattern) if pattern else ""
    if os.path.isabs(path):
        try:
            path = Path(path).relative_to(root).as_posix()
        except ValueError:
            return ""  # elsewhere, so it is no source anyway
    path = path.replace(os.sep, "/")
    return "" if path == "." or path.startswith("../") else path


def walk_files(root: Path) -> Iterator[str]:
    """POSIX paths of the files below a folder that Git does not describe; what is built or installed is left out."""
    for folder, names, files in os.walk(root):
        if _ENVIRONMENT_MARK in files:
            names.clear()
            continue
        # os.walk lists links to folders among the folders, without entering them; they are files to us.
        links = [name for name in names if os.path.islink(os.path.join(folder, name))]
        names[:] = sorted(name for name in names if name not in links and not _is_left_out(name))
        place = Path(folder).relative_to(root)
        yield from ((place / name).as_posix() for name in (*files, *links) if name not in _NEVER)


def _is_left_out(folder: str) -> bool:
    return folder in _NEVER or folder in _UNTOLD or folder.endswith(_UNTOLD_ENDINGS)


def without_clutter(paths: Iterable[str]) -> list[str]:
    """The paths without caches, stores and virtual environments, sorted; for what Git listed."""
    listed = sorted(set(paths))
    environments = tuple(
        path.removesuffix(_ENVIRONMENT_MARK) for path in listed if path.endswith("/" + _ENVIRONMENT_MARK)
    )
    return [path for path in listed if _NEVER.isdisjoint(path.split("/")) and not path.startswith(environments)]


def expand_nested(root: Path, paths: Iterable[str]) -> Iterator[str]:
    """Paths that Git listed, with a nested repository or submodule replaced by its own files."""
    top = str(root)
    for path in paths:
        place = f"{top}/{path}"
        if path.endswith("/") or (os.path.isdir(place) and not os.path.islink(place)):
            inner = path.rstrip("/")
            yield from (f"{inner}/{below}" for below in _nested_files(Path(place)))
        else:
            yield path


def _nested_files(folder: Path) -> list[str]:
    repository = GitRepository.find(folder)
    if repository is None or repository.top != folder.resolve():  # a submodule that was never fetched
        return list(walk_files(folder))
    try:
        listed = repository.read(folder).files
    except NoRepositoryError:
        return list(walk_files(folder))
    return without_clutter(expand_nested(folder, listed))
