"""Packages that have no version of their own because they are edited in place: named by the digest of their files."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from tidewheel.core.digest import digest_file, digest_value
from tidewheel.source_repository.distribution_index import write_cache

_FRESH_S = 1.0
_Stamp = tuple[str, int, int]

_latest: dict[tuple[str, ...], tuple[float, str]] = {}
_known: dict[str, str] = {}


def digest_packages(sources: Iterable[str], cache_dir: Path | None) -> str:
    """The digest of the files of packages; they are read again only when a size or time has changed.

    Args:
        sources: package folders and module files.
        cache_dir: where digests are kept between processes; None keeps them in this one.
    """
    places = tuple(sources)
    now = time.monotonic()
    if places in _latest and now - _latest[places][0] < _FRESH_S:
        return _latest[places][1]
    stamps = sorted(stamp for place in places for stamp in _stamps(place))
    key = digest_value("package stamps", [list(places), stamps])
    digest = _known.get(key) or _cached(cache_dir, key)
    if digest is None:
        content = sorted((os.path.basename(place), _named_digests(place)) for place in places)
        digest = digest_value("packages", content)
        if cache_dir is not None:
            write_cache(_cache_file(cache_dir, key), msgspec.json.encode([key, digest]))
    _known[key] = digest
    _latest[places] = (now, digest)
    return digest


def find_package(name: str) -> str | None:
    """The folder or file that `import name` would take from the search path, without importing it."""
    for entry in sys.path:
        folder = os.path.join(entry or os.curdir, name)
        for place in (folder, f"{folder}.py"):
            if os.path.isfile(place) or os.path.isfile(os.path.join(place, "__init__.py")):
                return os.path.abspath(place)
    return None


def _cache_file(cache_dir: Path, key: str) -> Path:
    return cache_dir / f"packages-{key[:16]}.json"


def _cached(cache_dir: Path | None, key: str) -> str | None:
    if cache_dir is None:
        return None
    try:
        stored, digest = msgspec.json.decode(_cache_file(cache_dir, key).read_bytes(), type=tuple[str, str])
    except (OSError, msgspec.MsgspecError):
        return None
    return digest if stored == key else None


def _stamps(place: str) -> Iterator[_Stamp]:
    """Path, size in bytes and time of change in nanoseconds of each file of a package."""
    if os.path.isfile(place):
        status = os.stat(place)
        yield place, status.st_size, status.st_mtime_ns
        return
    try:
        with os.scandir(place) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    if entry.name != "__pycache__":
                        yield from _stamps(entry.path)
                elif not entry.name.endswith(".pyc"):
                    status = entry.stat()
                    yield entry.path, status.st_size, status.st_mtime_ns
    except FileNotFoundError:
        return  # removed at this moment


def _named_digests(place: str) -> list[tuple[str, str]]:
    return sorted((os.path.relpath(path, place), digest_file("package file", path)) for path, _, _ in _stamps(place))
