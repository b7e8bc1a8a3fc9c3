"""Pins: snapshots that must not expire because a run reads them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, select, update

from tidewheel.core.records.record import Record
from tidewheel.metadata_store.database import Database
from tidewheel.metadata_store.statements import put
from tidewheel.metadata_store.tables import pin as table


class Pin(Record, frozen=True, kw_only=True):
    """A run's hold on a snapshot.

    Attributes:
        table, snapshot_id: what is held.
        run_id: whose hold it is.
        expires_at: wall clock; after it the hold counts no more.
    """

    table: str
    snapshot_id: int
    run_id: str
    expires_at: datetime


class PinStore:
    """Who holds which snapshots, and until when."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, *pins: Pin) -> None:
        """Records pins, before the first read; one of the same run and snapshot takes the new time. Atomic."""
        with self._database.write() as connection:
            for pin in pins:
                key = {"table_name": pin.table, "snapshot_id": pin.snapshot_id, "run_id": pin.run_id}
                put(connection, table, {**key, "expires_at": pin.expires_at})

    def renew(self, run_id: str, expires_at: datetime) -> int:
        """Moves the end of all pins of a run, and returns how many it has. Atomic."""
        with self._database.write() as connection:
            statement = update(table).where(table.c.run_id == run_id).values(expires_at=expires_at)
            return connection.execute(statement).rowcount

    def release(self, run_id: str) -> int:
        """Drops all pins of a run, and returns how many it had. Atomic."""
        with self._database.write() as connection:
            return connection.execute(delete(table).where(table.c.run_id == run_id)).rowcount

    def list(self, table_name: str | None = None, *, valid_at: datetime | None = None) -> Sequence[Pin]:
        """Pins, of one table when given, and only those that still count at a wall-clock time when given."""
        statement = select(table).order_by(table.c.table_name, table.c.snapshot_id, table.c.run_id)
        if table_name is not None:
            statement = statement.where(table.c.table_name == table_name)
        if valid_at is not None:
            statement = statement.where(table.c.expires_at > valid_at)
        with self._database.read() as connection:
            return [
                Pin(table=row.table_name, snapshot_id=row.snapshot_id, run_id=row.run_id, expires_at=row.expires_at)
                for row in connection.execute(statement)
            ]
