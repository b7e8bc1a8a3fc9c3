"""The workspace's virtual clock: one row that only the controller moves."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select, update

from tidewheel.core.errors import ConflictError
from tidewheel.metadata_store.database import Database
from tidewheel.metadata_store.statements import insert_new
from tidewheel.metadata_store.tables import clock as table


class ClockStore:
    """The time of a workspace in which history is replayed; a workspace on the wall clock has no row."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @property
    def is_virtual(self) -> bool:
        """Whether the time was ever set."""
        return self.get() is not None

    def get(self) -> datetime | None:
        """The virtual time; None on the wall clock."""
        with self._database.read() as connection:
            return connection.execute(select(table.c.at)).scalar()

    def set(self, at: datetime) -> None:
        """Moves the time forward, by compare-and-swap; to where it stands changes nothing.

        Raises:
            ConflictError: it stands later already: facts of that later time may exist.
        """
        with self._database.write("decision") as connection:
            if insert_new(connection, table, {"id": 1, "at": at}):
                return
            if connection.execute(update(table).where(table.c.at <= at).values(at=at)).rowcount:
                return
            now = connection.execute(select(table.c.at)).scalar_one()
        raise ConflictError(
            f"the workspace's clock stands at {now.isoformat()} and cannot go back to {at.isoformat()}",
            next_step="choose a later time, or start a fresh workspace",
        )
