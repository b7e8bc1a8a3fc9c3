"""The metadata database: where transactions begin and end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

from tidewheel.metadata_store.address import find_driver
from tidewheel.metadata_store.connection import Connection
from tidewheel.metadata_store.driver import Driver, Durability
from tidewheel.metadata_store.pool import Pool
from tidewheel.metadata_store.schema import bring_up_to_date, read_version
from tidewheel.metadata_store.storage_errors import storage_errors


class Database:
    """Facts on SQLite (WAL) or PostgreSQL; shared by threads, opened anew by each process.

    A store method is one transaction. Writers wait for each other and never fail on a lock; readers wait for nobody.
    Nothing slow (user code, files, network) may run inside `write`.

    Example:
        >>> database = Database.open("sqlite://")
        >>> database.schema_version
        2
        >>> database.close()
    """

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._pool = Pool(driver)
        # Threads queue here, which is fairer than SQLite's polling; processes meet in SQLite.
        self._writing = threading.Lock() if driver.has_one_writer else nullcontext()
        self._reading = self._writing if driver.has_one_connection else nullcontext()

    @classmethod
    def open(cls, url: str, *, create: bool = True) -> Database:
        """Opens a database; a new one is created, an older one migrated, while other processes wait.

        Args:
            url: `sqlite:///PATH` with the path as it is, `sqlite://` (in memory), or
                `postgresql+psycopg://USER@HOST/DATABASE` with libpq's parameters as its query.
            create: whether a missing database is made.

        Raises:
            StorageError: missing, read-only, full, damaged, unreachable, or on a network file system.
            WorkspaceVersionError: written by a newer Tidewheel.
            ParameterError: the URL is of another kind of database.
        """
        database = cls(find_driver(url, create=create))
        try:
            with storage_errors(database._driver.where, database._driver.module):
                bring_up_to_date(database._driver, database._pool, create=create)
        except BaseException:
            database.close()
            raise
        return database

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection whose queries see one state on SQLite, and each the newest committed one on PostgreSQL.

        Raises:
            StorageError: the database cannot be read.
        """
        with self._reading, self._borrow(self._driver.begin_read) as connection:
            yield connection

    @contextmanager
    def write(self, durability: Durability = "progress") -> Iterator[Connection]:
        """A transaction that is committed as a whole at the end of the block, and undone as a whole by an exception.

        On SQLite it is the only writer from its first statement on. On PostgreSQL others write meanwhile, so what was
        read must be held by `Connection.for_update` or confirmed by a compare-and-swap.

        Args:
            durability: `decision` waits until the disk has it.

        Raises:
            StorageError: the disk is full or read-only, or the server is gone; nothing was written.
            ConflictError: the write contradicts a recorded fact.
        """

        def begin(connection: Connection) -> None:
            self._driver.begin_write(connection, durability)

        with self._writing, self._borrow(begin) as connection:
            yield connection
            connection.commit()

    @contextmanager
    def _borrow(self, begin: Callable[[Connection], None]) -> Iterator[Connection]:
        with storage_errors(self._driver.where, self._driver.module), self._pool.borrow(begin) as connection:
            yield connection

    @property
    def schema_version(self) -> int:
        """The number of the newest migration that was applied."""
        with self.read() as connection:
            return read_version(connection) or 0

    def close(self) -> None:
        """Closes all connections; the last process to do so folds SQLite's log into the file."""
        self._pool.close()
