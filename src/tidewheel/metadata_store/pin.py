"""Pins: snapshots that must not expire because a run reads them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from tidewheel.core.records.record import Record
from tidewheel.metadata_store.database import Database
from tidewheel.metadata_store.moment import from_microseconds, to_microseconds
from tidewheel.metadata_store.statements import Columns, put, where


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
                key: Columns = {"table_name": pin.table, "snapshot_id": pin.snapshot_id, "run_id": pin.run_id}
                put(connection, "pin", key, {"expires_at": to_microseconds(pin.expires_at)})

    def renew(self, run_id: str, expires_at: datetime) -> int:
        """Moves the end of all pins of a run, and returns how many it has. Atomic."""
        sql = "UPDATE pin SET expires_at = :expires_at WHERE run_id = :run_id"
        with self._database.write() as connection:
            return connection.execute(sql, expires_at=to_microseconds(expires_at), run_id=run_id).rowcount

    def release(self, run_id: str) -> int:
        """Drops all pins of a run, and returns how many it had. Atomic."""
        with self._database.write() as connection:
            return connection.execute("DELETE FROM pin WHERE run_id = :run_id", run_id=run_id).rowcount

    def list(self, table_name: str | None = None, *, valid_at: datetime | None = None) -> Sequence[Pin]:
        """Pins, of one table when given, and only those that still count at a wall-clock time when given."""
        given: Columns = {
            "table_name": table_name,
            "valid_at": None if valid_at is None else to_microseconds(valid_at),
        }
        sql = f"""
            SELECT table_name, snapshot_id, run_id, expires_at FROM pin
            {where(given, "table_name = :table_name", "expires_at > :valid_at")}
            ORDER BY table_name, snapshot_id, run_id
        """
        with self._database.read() as connection:
            return [
                Pin(table=table, snapshot_id=snapshot_id, run_id=run_id, expires_at=from_microseconds(expires_at))
                for table, snapshot_id, run_id, expires_at in connection.execute(sql, **given)
            ]
