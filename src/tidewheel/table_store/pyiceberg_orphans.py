"""Files in a table's folder that nothing needs: of commits that were beaten or killed, of snapshots that expired."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from pyiceberg.table import Table

from tidewheel.table_store.file_index import FileIndex
from tidewheel.table_store.pyiceberg_files import listed_paths, local_path

_SUFFIXES = (".parquet", ".avro", ".orc", ".metadata.json", ".puffin", ".stats")
"""Of what Iceberg writes; anything else in the folder is somebody's own."""


class Orphan(NamedTuple):
    """A file that no snapshot names."""

    path: str
    size_bytes: int


def find_orphans(load: Callable[[], Table], index: FileIndex, *, older_than_s: float) -> list[Orphan]:
    """The orphans of a table on this machine.

    The folder is listed first and the table loaded after it, so that a file which is committed meanwhile is seen in the
    table. What is younger than a time of grace may belong to a commit that is yet to come.

    Args:
        load: gives the table as it is now.
        index: what manifests list.
        older_than_s: seconds since 1970.
    """
    folder = local_path(load().location())
    if "://" in folder:
        return []
    candidates = {os.path.realpath(path): size for path, size in _old_files(folder, older_than_s)}
    if not candidates:
        return []
    table = load()
    needed = {os.path.realpath(local_path(path)) for path in _needed(table, index)}
    return [Orphan(path, size) for path, size in sorted(candidates.items()) if path not in needed]


def remove_orphans(orphans: Iterable[Orphan]) -> list[Orphan]:
    """Removes files; one that cannot be removed, or that another process removed, is left out of the result."""
    removed = []
    for orphan in orphans:
        with contextlib.suppress(OSError):
            os.unlink(orphan.path)
            removed.append(orphan)
    return removed


def _old_files(folder: str, older_than_s: float) -> Iterator[tuple[str, int]]:
    for parent, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(parent, name)
            with contextlib.suppress(OSError):  # gone since
                status = os.stat(path)
                if name.endswith(_SUFFIXES) and status.st_mtime < older_than_s:
                    yield path, status.st_size


def _needed(table: Table, index: FileIndex) -> Iterator[str]:
    metadata = table.metadata
    yield table.metadata_location
    yield from (entry.metadata_file for entry in metadata.metadata_log)
    yield from (file.statistics_path for file in (*metadata.statistics, *metadata.partition_statistics))
    for snapshot in metadata.snapshots:
        if snapshot.manifest_list:
            yield snapshot.manifest_list
        yield from listed_paths(table.io, snapshot, index)
