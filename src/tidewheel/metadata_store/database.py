"""The metadata database: where transactions begin and end."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Literal

from sqlalchemy import Connection, Engine
from sqlalchemy.pool import StaticPool

from tidewheel.metadata_store.engine import build_engine
from tidewheel.metadata_store.schema import bring_up_to_date, read_version
from tidewheel.metadata_store.storage_errors import storage_errors

Durability = Literal["progress", "decision"]
"""`progress` survives kill -9, `decision` a power cut too."""

_SYNCHRONOUS = {"progress": "NORMAL", "decision": "FULL"}
_SYNCHRONOUS_COMMIT = {"progress": "off", "decision": "on"}


class Database:
    """Facts on SQLite (WAL) or PostgreSQL; shared by threads, opened anew by each process.

    A store method is one transaction. Writers wait for each other and never fail on a lock; readers wait for nobody.
    Nothing slow (user code, files, network) may run inside `write`.

    Example:
        >>> database = Database.open("sqlite://")
        >>> database.schema_version
        1
        >>> database.close()
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._is_sqlite = engine.dialect.name == "sqlite"
        self._where = engine.url.render_as_string(hide_password=True)
        # Threads queue here, which is fairer than SQLite's polling; processes meet in SQLite.
        self._writing = threading.Lock() if self._is_sqlite else nullcontext()
        # The database in memory is one connection.
        self._reading = self._writing if isinstance(engine.pool, StaticPool) else nullcontext()

    @classmethod
    def open(cls, url: str, *, create: bool = True) -> Database:
        """Opens a database; a new one is created, an older one migrated, while other processes wait.

        Args:
            url: `sqlite:///PATH`, `sqlite://` (in memory), or `postgresql+psycopg://USER@HOST/DATABASE`.
            create: whether a missing database is made.

        Raises:
            StorageError: missing, read-only, full, damaged, unreachable, or on a network file system.
            WorkspaceVersionError: written by a newer Tidewheel.
            ParameterError: the URL is of another kind of database.
        """
        engine = build_engine(url, create=create)
        database = cls(engine)
        try:
            with storage_errors(database._where):
                bring_up_to_date(engine, create=create, where=database._where)
        except BaseException:
            engine.dispose()
            raise
        return database

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection whose queries see one state on SQLite, and each the newest committed one on PostgreSQL.

        Raises:
            StorageError: the database cannot be read.
        """
        with storage_errors(self._where), self._reading, self._engine.connect() as connection:
            if self._is_sqlite:
                connection.exec_driver_sql("BEGIN")
            yield connection

    @contextmanager
    def write(self, durability: Durability = "progress") -> Iterator[Connection]:
        """A transaction that is committed as a whole at the end of the block, and undone as a whole by an exception.

        On SQLite it is the only writer from its first statement on. On PostgreSQL others write meanwhile, so what was
        read must be held by `with_for_update` or confirmed by a compare-and-swap.

        Args:
            durability: `decision` waits until the disk has it.

        Raises:
            StorageError: the disk is full or read-only, or the server is gone; nothing was written.
            ConflictError: the write contradicts a recorded fact.
        """
        with ExitStack() as stack:
            stack.enter_context(storage_errors(self._where))
            stack.enter_context(self._writing)
            connection = stack.enter_context(self._engine.connect())
            self._begin(connection, durability)
            yield connection
            connection.commit()

    def _begin(self, connection: Connection, durability: Durability) -> None:
        if not self._is_sqlite:
            connection.exec_driver_sql(f"SET LOCAL synchronous_commit = {_SYNCHRONOUS_COMMIT[durability]}")
            return
        level = _SYNCHRONOUS[durability]
        if connection.info.get("synchronous", "NORMAL") != level:
            # SQLite takes this only outside of a transaction.
            connection.exec_driver_sql(f"PRAGMA synchronous = {level}")
            connection.info["synchronous"] = level
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    @property
    def schema_version(self) -> int:
        """The number of the newest migration that was applied."""
        with self.read() as connection:
            return read_version(connection) or 0

    def close(self) -> None:
        """Closes all connections; the last process to do so folds SQLite's log into the file."""
        self._engine.dispose()
