"""Brings a database to the schema of this code: creates, migrates, or refuses.

The version is one row that a plain query reads; when it is that of this code, no more is imported. A fresh database
is made in one go from the tables and stamped with the newest version; an older one goes through the Alembic migrations.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tidewheel.core.errors import StorageError, WorkspaceVersionError
from tidewheel.metadata_store.connection import Connection
from tidewheel.metadata_store.driver import Driver
from tidewheel.metadata_store.pool import Pool

SCHEMA_VERSION = 2
"""The newest migration in `migrations/versions`; a revision is this number in four digits."""

# Alembic's own table, so that its commands work on a workspace too.
_CREATE_VERSION = (
    "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, "
    "CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
)
_FIND_VERSION = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'table' AND name = 'alembic_version'",
    "postgresql": "SELECT to_regclass('alembic_version')",
}
_READ_VERSION = "SELECT version_num FROM alembic_version"
# Any constant that no other program locks.
_ADVISORY_LOCK = 0x71DE_0001


def bring_up_to_date(driver: Driver, pool: Pool, *, create: bool) -> None:
    """Leaves the database at `SCHEMA_VERSION`; when several processes come at once, one changes it and the others wait.

    Atomic: the whole creation or migration is one transaction.

    Raises:
        WorkspaceVersionError: the database was written by a newer Tidewheel.
        StorageError: it holds no facts yet and `create` is false.
    """
    with pool.borrow(driver.begin_read) as connection:
        version = read_version(connection)
    if version == SCHEMA_VERSION:
        return
    _refuse_newer(version, driver.where)
    if version is None and not create:
        raise StorageError("the metadata database is empty", where=driver.where, next_step="run `tidewheel init`")
    with pool.borrow(_begin_nothing) as connection:
        _change(connection, driver.where)


def read_version(connection: Connection) -> int | None:
    """The schema's version; None for a database without tables.

    It asks whether the table is there: a failed query would have to be rolled back, and with it whatever transaction
    and lock the caller holds.
    """
    if connection.scalar(_FIND_VERSION[connection.dialect]) is None:
        return None
    version = connection.scalar(_READ_VERSION)
    return None if version is None else int(version)


def _change(connection: Connection, where: str) -> None:
    from tidewheel.metadata_store.sqlalchemy_schema import create_tables, open_over, run_migrations

    # Before the lock: opening an engine ends whatever transaction there is.
    with open_over(connection) as schema, _exclusive(connection):
        version = read_version(connection)
        _refuse_newer(version, where)
        if version is None:
            create_tables(schema)
            connection.execute(_CREATE_VERSION)
            connection.execute("INSERT INTO alembic_version VALUES (:version)", version=f"{SCHEMA_VERSION:04}")
        elif version < SCHEMA_VERSION:
            run_migrations(schema)


def _refuse_newer(version: int | None, where: str) -> None:
    if version is not None and version > SCHEMA_VERSION:
        raise WorkspaceVersionError(
            f"the workspace has schema version {version}; this Tidewheel knows versions up to {SCHEMA_VERSION}",
            where=where,
            next_step="install the Tidewheel that wrote it, or a newer one",
        )


def _begin_nothing(_connection: Connection) -> None:
    """The transaction is begun later, by `_exclusive`."""


@contextmanager
def _exclusive(connection: Connection) -> Iterator[None]:
    """A transaction that no other process's creation or migration overlaps."""
    is_sqlite = connection.dialect == "sqlite"
    if is_sqlite:
        # SQLite alters a table by rebuilding it with foreign keys off; inside a transaction that cannot be said.
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute("BEGIN EXCLUSIVE")
    else:
        connection.execute("BEGIN")
        connection.execute("SELECT pg_advisory_xact_lock(:lock)", lock=_ADVISORY_LOCK)
    try:
        yield
        connection.commit()
    finally:
        connection.rollback()
        if is_sqlite:
            connection.execute("PRAGMA foreign_keys = ON")
