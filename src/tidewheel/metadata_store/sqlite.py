"""SQLite by the standard library: one file that many processes of one machine write in turn."""

from __future__ import annotations

import random
import sqlite3
import time
from pathlib import Path

from tidewheel.core.errors import StorageError
from tidewheel.core.write_ahead_log import is_held, use_write_ahead_log
from tidewheel.metadata_store.connection import Connection
from tidewheel.metadata_store.driver import Durability
from tidewheel.metadata_store.filesystem import refuse_network_filesystem
from tidewheel.metadata_store.storage_errors import DatabaseModule, storage_errors

# Writers wait for each other rather than fail; a transaction takes milliseconds, so only one that hangs gets here.
BUSY_TIMEOUT_S = 600.0

_PAUSE_S = (0.0005, 0.004)

_SYNCHRONOUS = {"progress": "NORMAL", "decision": "FULL"}


class Sqlite:
    """A file in write-ahead mode, or a database in memory.

    Args:
        where: the address as errors name it.
        path: the file, made with its folder when `create` allows it; None for a database in memory.
        create: whether a missing file is made.

    Raises:
        StorageError: the file is missing, its folder cannot be made, or it is on a network file system.
    """

    has_one_writer = True

    def __init__(self, where: str, path: Path | None, *, create: bool) -> None:
        self.where = where
        self.module: DatabaseModule = sqlite3
        self.has_one_connection = path is None
        # As an absolute path: a later connection must find the same file wherever the process is then.
        self._path = None if path is None else path.absolute()
        self._is_in_wal_mode = path is None
        if self._path is not None:
            _prepare_file(self._path, create=create)

    def connect(self) -> Connection:
        """Opens a connection, the first one switches the file to write-ahead mode."""
        target = ":memory:" if self._path is None else str(self._path)
        with storage_errors(target, sqlite3):
            raw = sqlite3.connect(target, BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
            try:
                raw.execute("PRAGMA foreign_keys = ON")
                if not self._is_in_wal_mode:
                    use_write_ahead_log(raw, timeout_s=BUSY_TIMEOUT_S)
                    self._is_in_wal_mode = True
            except BaseException:
                raw.close()
                raise
        return Connection(raw, "sqlite")

    def is_lost(self, connection: Connection) -> bool:
        """Never: there is no other side."""
        return False

    def begin_read(self, connection: Connection) -> None:
        """Begins to read one state of the data."""
        connection.execute("BEGIN")

    def begin_write(self, connection: Connection, durability: Durability) -> None:
        """Becomes the only writer, or waits until it is."""
        # SQLite takes this only outside of a transaction.
        connection.execute(f"PRAGMA synchronous = {_SYNCHRONOUS[durability]}")
        connection.execute("PRAGMA busy_timeout = 0")
        try:
            _take_turn(connection)
        finally:
            connection.execute(f"PRAGMA busy_timeout = {round(BUSY_TIMEOUT_S * 1000)}")


def _prepare_file(path: Path, *, create: bool) -> None:
    if not create and not path.exists():
        raise StorageError(
            "the metadata database does not exist",
            where=str(path),
            next_step="run `tidewheel init`, or correct workspace.path",
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            f"the workspace's folder cannot be made: {error.strerror}",
            where=str(path.parent),
            next_step="make its parent writable, or set workspace.path",
        ) from None
    refuse_network_filesystem(path)


def _take_turn(connection: Connection) -> None:
    """Begins to write, as soon as nobody else does.

    SQLite's own waiting looks every 100 ms after a while: beside a writer that takes the lock again without pause it
    nearly never finds it free. This looks every few milliseconds, at random, so that no two waiters stay in step.
    """
    give_up_at = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            connection.execute("BEGIN IMMEDIATE")
            return
        except sqlite3.OperationalError as error:
            if not is_held(error) or time.monotonic() > give_up_at:
                raise
            time.sleep(random.uniform(*_PAUSE_S))
