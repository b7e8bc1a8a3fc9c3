"""A SQLAlchemy engine set up for many processes that write short transactions."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event, exc, make_url
from sqlalchemy.engine import URL
from sqlalchemy.pool import StaticPool

from tidewheel.core.errors import ParameterError, StorageError
from tidewheel.metadata_store.filesystem import refuse_network_filesystem
from tidewheel.metadata_store.storage_errors import storage_errors

# Writers wait for each other rather than fail; a transaction takes milliseconds, so only one that hangs gets here.
BUSY_TIMEOUT_S = 600.0

_DRIVERS = ("sqlite", "sqlite+pysqlite", "postgresql", "postgresql+psycopg")


def build_engine(url: str, *, create: bool) -> Engine:
    """The engine of a metadata database; the SQLite file and its folder are made when `create` allows it.

    Raises:
        ParameterError: the URL is of another database.
        StorageError: the file cannot be opened or is missing, it is on a network file system, or the driver of
            PostgreSQL is missing.
    """
    parsed = _parse(url)
    if parsed.get_backend_name() == "postgresql":
        return _postgresql_engine(parsed)
    if parsed.database in (None, "", ":memory:"):
        return _sqlite_engine(parsed, poolclass=StaticPool)
    path = Path(str(parsed.database))
    _prepare_file(path, create=create)
    engine = _sqlite_engine(parsed, pool_size=5, max_overflow=-1)
    with storage_errors(str(path)):
        _use_write_ahead_log(engine)
    return engine


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except exc.ArgumentError:
        parsed = None
    if parsed is None or parsed.drivername not in _DRIVERS:
        raise ParameterError(
            "the metadata database's URL is neither SQLite nor PostgreSQL",
            where="workspace.metadata_url",
            next_step="write sqlite:///PATH or postgresql+psycopg://USER@HOST/DATABASE",
        )
    if parsed.drivername == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
    return parsed


def _postgresql_engine(url: URL) -> Engine:
    try:
        # A pooled connection that the server closed meanwhile is replaced before use.
        return create_engine(url, pool_size=5, max_overflow=-1, pool_pre_ping=True)
    except ModuleNotFoundError as error:
        raise StorageError(
            f"PostgreSQL needs the package {error.name!r}",
            where="workspace.metadata_url",
            next_step="pip install 'tidewheel[postgresql]'",
        ) from None


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


def _sqlite_engine(url: URL, **options: Any) -> Engine:
    engine = create_engine(
        url, connect_args={"timeout": BUSY_TIMEOUT_S, "check_same_thread": False, "isolation_level": None}, **options
    )
    event.listen(engine, "connect", _set_up_connection)
    return engine


def _set_up_connection(connection: sqlite3.Connection, _record: object) -> None:
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = NORMAL")


def _use_write_ahead_log(engine: Engine) -> None:
    """Switches the file to WAL, which lasts.

    SQLite does not wait for its lock here, so two processes that create one file meet at once: this waits in its place.
    """
    give_up_at = time.monotonic() + BUSY_TIMEOUT_S
    with engine.connect() as connection:
        while True:
            try:
                connection.exec_driver_sql("PRAGMA journal_mode = WAL").fetchall()
                return
            except exc.OperationalError as error:
                name = getattr(error.orig, "sqlite_errorname", "")
                if not name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")) or time.monotonic() > give_up_at:
                    raise
                time.sleep(0.005)
