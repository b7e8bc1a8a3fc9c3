"""What was once learnt of immutable files: digests and layouts of data files, lists of manifests, digests of snapshots.

Iceberg never changes a file after writing it, so all of this can be kept by path. It is a cache: lost, it is computed
again; damaged, it is thrown away; not writable, it is done without.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from tidewheel.core.write_ahead_log import use_write_ahead_log

_BUSY_TIMEOUT_S = 30.0
_CREATE = "create table if not exists entry (key text primary key, value text not null) without rowid"


class FileIndex:
    """A persistent map of text to text, shared by processes and threads.

    Args:
        path: the SQLite file; made when missing.

    Example:
        >>> import tempfile
        >>> index = FileIndex(Path(tempfile.mkdtemp()) / "index.db")
        >>> index.put({"file:/a": "1f"})
        >>> index.get(["file:/a", "file:/b"])
        {'file:/a': '1f'}
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def get(self, keys: Iterable[str]) -> dict[str, str]:
        """The entries of those keys that are known."""
        wanted = msgspec.json.encode(list(keys)).decode()
        query = "select key, value from entry where key in (select value from json_each(?))"
        try:
            with contextlib.closing(self._connect()) as connection:
                return dict(connection.execute(query, (wanted,)).fetchall())
        except sqlite3.OperationalError:  # no such table or not readable: nothing is known
            return {}
        except sqlite3.DatabaseError:
            self._discard()
            return {}

    def put(self, entries: Mapping[str, str]) -> None:
        """Keeps entries; a key that is there already keeps its value, since what it names cannot have changed."""
        if not entries:
            return
        try:
            with contextlib.closing(self._connect()) as connection:
                connection.execute("begin immediate")
                connection.execute(_CREATE)
                connection.executemany("insert or ignore into entry values (?, ?)", entries.items())
                connection.execute("commit")
        except sqlite3.OperationalError:  # read-only or full: the next reader computes them again
            return
        except sqlite3.DatabaseError:
            self._discard()

    def _connect(self) -> sqlite3.Connection:
        # One connection per call costs 0.1 ms and makes the index safe for threads and forks.
        connection = sqlite3.connect(self._path, timeout=_BUSY_TIMEOUT_S, isolation_level=None)
        use_write_ahead_log(connection, timeout_s=_BUSY_TIMEOUT_S)
        connection.execute("pragma synchronous = normal")
        return connection

    def _discard(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            with contextlib.suppress(OSError):
                Path(f"{self._path}{suffix}").unlink()
