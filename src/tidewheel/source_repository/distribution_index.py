"""What is installed: which distribution gives which import name, and what it requires.

Reading that from the distributions' metadata takes a second; it is done once per state of the environment and kept.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from tidewheel.core.digest import digest_value
from tidewheel.core.records import Record
from tidewheel.core.whole_file import write_whole
from tidewheel.source_repository.distribution import Distribution

_METADATA = (".dist-info", ".egg-info")
_FRESH_S = 1.0
_FORMAT = 1


class DistributionIndex(Record, frozen=True, kw_only=True):
    """The distributions of an environment.

    Attributes:
        key: names the state of the environment that was read.
        distributions: by normalised name.
        providers: names of distributions by top-level import name; namespace packages have several.
    """

    key: str
    distributions: dict[str, Distribution]
    providers: dict[str, tuple[str, ...]]

    def reached(self, imports: Iterable[str]) -> set[str]:
        """The distributions that give these imports, and those that they require, near and far."""
        waiting = [name for one in imports for name in self.providers.get(one, ())]
        seen: set[str] = set()
        while waiting:
            token = waiting.pop()
            if token in seen:
                continue
            seen.add(token)
            name, _, extra = token.partition("[")
            distribution = self.distributions.get(name)
            if distribution is not None:
                waiting += [name, *distribution.requires.get(extra.rstrip("]"), ())]
        return {token for token in seen if token in self.distributions}


_latest: tuple[float, tuple[str, ...], DistributionIndex] | None = None


def read_index(cache_dir: Path | None) -> DistributionIndex:
    """The index of this process's environment, from the cache when nothing was installed or removed since.

    Args:
        cache_dir: where the index is kept between processes; None keeps it in this one.
    """
    global _latest
    now, search = time.monotonic(), tuple(sys.path)
    if _latest is not None and _latest[1] == search and now - _latest[0] < _FRESH_S:
        return _shared(cache_dir, _latest[2])
    key, folders = _environment_key(search)
    if _latest is not None and _latest[2].key == key:
        index = _shared(cache_dir, _latest[2])
    else:
        index = _from_cache(cache_dir, key) or _build(cache_dir, key, folders)
    _latest = (now, search, index)
    return index


def _environment_key(search: Iterable[str]) -> tuple[str, list[str]]:
    """A digest of names and times of all metadata folders, and the path entries that hold some.

    Entries without are no part of it, so that a project's copy on the path does not make another environment.
    """
    seen: list[object] = [_FORMAT, sys.version]
    folders: list[str] = []
    for folder in dict.fromkeys(os.path.abspath(entry) for entry in search):
        found = sorted(_metadata_entries(folder))
        if found:
            folders.append(folder)
            seen.append([folder, found])
    return digest_value("environment", seen), folders


def _metadata_entries(folder: str) -> Iterator[tuple[str, int]]:
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.endswith((*_METADATA, ".pth")):
                    yield entry.name, entry.stat().st_mtime_ns
    except OSError:  # no folder, such as a zip archive of the standard library
        return


def _cache_file(cache_dir: Path, key: str) -> Path:
    return cache_dir / f"distributions-{key[:16]}.json"


def _from_cache(cache_dir: Path | None, key: str) -> DistributionIndex | None:
    if cache_dir is None:
        return None
    try:
        index = DistributionIndex.from_json(_cache_file(cache_dir, key).read_bytes())
    except (OSError, msgspec.MsgspecError):
        return None  # never written, or torn: it is built again
    return index if index.key == key else None


def _build(cache_dir: Path | None, key: str, folders: list[str]) -> DistributionIndex:
    from tidewheel.source_repository.installed import read_installed

    distributions, providers = read_installed(folders)
    index = DistributionIndex(key=key, distributions=distributions, providers=providers)
    if cache_dir is not None:
        write_cache(_cache_file(cache_dir, key), index.to_json())
    return index


def _shared(cache_dir: Path | None, index: DistributionIndex) -> DistributionIndex:
    """Puts an index that this process knows where those that it starts look: this may be its second workspace."""
    if cache_dir is not None and not (path := _cache_file(cache_dir, index.key)).exists():
        write_cache(path, index.to_json())
    return index


def write_cache(path: Path, data: bytes) -> None:
    """Writes a cache file whole or not at all; a workspace that cannot be written to does without."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, data)
