"""Brings a database to the schema of this code: creates, migrates, or refuses.

The version is one row that a plain query reads. A fresh database is made in one go from the tables and stamped with the
newest version; an older one goes through the Alembic migrations, which alone import Alembic.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine

from tidewheel.core.errors import StorageError, WorkspaceVersionError

SCHEMA_VERSION = 1
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


def bring_up_to_date(engine: Engine, *, create: bool, where: str) -> None:
    """Leaves the database at `SCHEMA_VERSION`; when several processes come at once, one changes it and the others wait.

    Atomic: the whole creation or migration is one transaction.

    Raises:
        WorkspaceVersionError: the database was written by a newer Tidewheel.
        StorageError: it holds no facts yet and `create` is false.
    """
    with engine.connect() as connection:
        version = read_version(connection)
    if version == SCHEMA_VERSION:
        return
    _refuse_newer(version, where)
    if version is None and not create:
        raise StorageError("the metadata database is empty", where=where, next_step="run `tidewheel init`")
    with _exclusive(engine) as connection:
        version = read_version(connection)
        _refuse_newer(version, where)
        if version is None:
            _create(connection)
        elif version < SCHEMA_VERSION:
            migrate(connection)


def read_version(connection: Connection) -> int | None:
    """The schema's version; None for a database without tables.

    It asks whether the table is there: a failed query would have to be rolled back, and with it whatever transaction
    and lock the caller holds.
    """
    if connection.exec_driver_sql(_FIND_VERSION[connection.dialect.name]).scalar() is None:
        return None
    row = connection.exec_driver_sql(_READ_VERSION).first()
    return int(row[0]) if row else None


def migrate(connection: Connection, revision: str = "head") -> None:
    """Runs the migrations up to a revision in the connection's transaction, which the caller commits."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "tidewheel.metadata_store:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def _create(connection: Connection) -> None:
    from tidewheel.metadata_store.tables import metadata

    metadata.create_all(connection, checkfirst=False)
    connection.exec_driver_sql(_CREATE_VERSION)
    connection.exec_driver_sql(f"INSERT INTO alembic_version VALUES ('{SCHEMA_VERSION:04}')")


def _refuse_newer(version: int | None, where: str) -> None:
    if version is not None and version > SCHEMA_VERSION:
        raise WorkspaceVersionError(
            f"the workspace has schema version {version}; this Tidewheel knows versions up to {SCHEMA_VERSION}",
            where=where,
            next_step="install the Tidewheel that wrote it, or a newer one",
        )


@contextmanager
def _exclusive(engine: Engine) -> Iterator[Connection]:
    """A transaction that no other process's creation or migration overlaps."""
    with engine.connect() as connection:
        is_sqlite = engine.dialect.name == "sqlite"
        if is_sqlite:
            # SQLite alters a table by rebuilding it with foreign keys off; inside a transaction that cannot be said.
            connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
            connection.exec_driver_sql("BEGIN EXCLUSIVE")
        else:
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})")
        try:
            yield connection
            connection.commit()
        finally:
            connection.rollback()
            if is_sqlite:
                connection.exec_driver_sql("PRAGMA foreign_keys = ON")
