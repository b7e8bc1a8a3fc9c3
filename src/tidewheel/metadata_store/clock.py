"""The workspace's virtual clock: one row that only the controller moves."""

from __future__ import annotations

from datetime import datetime

from tidewheel.core.errors import ConflictError
from tidewheel.metadata_store.database import Database
from tidewheel.metadata_store.moment import from_microseconds, to_microseconds
from tidewheel.metadata_store.statements import insert_new

_READ = "SELECT at FROM clock"


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
            at = connection.scalar(_READ)
        return None if at is None else from_microseconds(at)

    def set(self, at: datetime) -> None:
        """Moves the time forward, by compare-and-swap; to where it stands changes nothing.

        Raises:
            ConflictError: it stands later already: facts of that later time may exist.
        """
        new = to_microseconds(at)
        with self._database.write("decision") as connection:
            if insert_new(connection, "clock", {"id": 1, "at": new}):
                return
            if connection.execute("UPDATE clock SET at = :new WHERE at <= :new", new=new).rowcount:
                return
            now = from_microseconds(connection.scalar(_READ))
        raise ConflictError(
            f"the workspace's clock stands at {now.isoformat()} and cannot go back to {at.isoformat()}",
            next_step="choose a later time, or start a fresh workspace",
        )
