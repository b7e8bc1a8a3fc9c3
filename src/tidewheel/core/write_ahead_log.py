"""SQLite's write-ahead log: readers go on beside the one writer.

The journal's mode is a property of the file. Switching a new file is the one moment at which SQLite does not wait for
another process's lock, whatever timeout the connection has: two that make one file meet there, and one is refused.

Source: https://www.sqlite.org/wal.html#persistence_of_wal_mode
"""

from __future__ import annotations

import sqlite3
import time

_PAUSE_S = 0.005


def use_write_ahead_log(connection: sqlite3.Connection, *, timeout_s: float = 60.0) -> None:
    """Switches the connection's file to write-ahead logging, which lasts.

    Args:
        timeout_s: how long it waits for the lock of another process.

    Raises:
        sqlite3.OperationalError: the file cannot be written, or another process held it all that time.

    Example:
        >>> import pathlib, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     connection = sqlite3.connect(pathlib.Path(folder) / "store.db")
        ...     use_write_ahead_log(connection)
        ...     connection.execute("pragma journal_mode").fetchone()
        ...     connection.close()
        ('wal',)
    """
    give_up_at = time.monotonic() + timeout_s
    while True:
        try:
            connection.execute("pragma journal_mode = wal").fetchall()
            return
        except sqlite3.OperationalError as error:
            if not is_held(error) or time.monotonic() > give_up_at:
                raise
            time.sleep(_PAUSE_S)


def is_held(error: sqlite3.OperationalError) -> bool:
    """Whether SQLite refused because another connection holds a lock."""
    return error.sqlite_errorname.startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))
