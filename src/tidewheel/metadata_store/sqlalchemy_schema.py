"""Creates and migrates tables by SQLAlchemy and Alembic.

Imported only when a database has another schema than the code: SQLAlchemy takes longer to import than a command to run.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy
from sqlalchemy.pool import StaticPool

from tidewheel.metadata_store.connection import Connection
from tidewheel.metadata_store.tables import metadata

_URLS = {"sqlite": "sqlite://", "postgresql": "postgresql+psycopg://"}


@contextmanager
def open_over(connection: Connection) -> Iterator[sqlalchemy.Connection]:
    """SQLAlchemy's view of an open connection; transactions on it stay the caller's.

    Opening ends a transaction that was begun before. An error of the driver leaves the block as the driver raised it.
    """
    engine = sqlalchemy.create_engine(
        _URLS[connection.dialect],
        creator=lambda: connection.raw,
        poolclass=StaticPool,
        # The caller closes it, not the engine.
        pool_reset_on_return=None,
    )
    try:
        with engine.connect() as schema:
            yield schema
    except sqlalchemy.exc.DBAPIError as error:
        raise error.orig or error from error


def create_tables(schema: sqlalchemy.Connection) -> None:
    """Makes all tables of this code in an empty database."""
    metadata.create_all(schema, checkfirst=False)


def run_migrations(schema: sqlalchemy.Connection, revision: str = "head") -> None:
    """Runs the migrations up to a revision."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "tidewheel.metadata_store:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = schema
    command.upgrade(config, revision)
