"""Leases: so that of several controllers one ticks at a time."""

from __future__ import annotations

import time
from pathlib import Path

from sqlalchemy import Connection, delete, or_, update

from tidewheel.metadata_store.database import Database
from tidewheel.metadata_store.statements import insert_new
from tidewheel.metadata_store.tables import lease as table

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_SECOND = 1_000_000


class LeaseStore:
    """Named leases that end by themselves when their owner dies.

    Time is one clock that all contenders share and that nobody sets: on SQLite, whose users are on one machine, the
    monotonic clock since its start (a lease from before a restart has ended); on PostgreSQL the server's clock.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def acquire(self, name: str, owner: str, ttl_s: float) -> bool:
        """Takes a lease that is free, has ended, or is the owner's already. Atomic: of many, one gets it.

        Args:
            name: what only one may do.
            owner: who asks; different for every process.
            ttl_s: seconds after which it ends unless renewed.
        """
        with self._database.write() as connection:
            timeline, now = _now(connection)
            row = {"owner": owner, "timeline": timeline, "expires_at": now + round(ttl_s * _SECOND)}
            if insert_new(connection, table, {"name": name, **row}):
                return True
            may_take = or_(table.c.owner == owner, table.c.expires_at <= now, table.c.timeline != timeline)
            return connection.execute(update(table).where(table.c.name == name, may_take).values(row)).rowcount == 1

    def renew(self, name: str, owner: str, ttl_s: float) -> bool:
        """Prolongs a lease; false when the owner has lost it and must stop. Atomic."""
        with self._database.write() as connection:
            timeline, now = _now(connection)
            is_held = (table.c.name == name, table.c.owner == owner, table.c.timeline == timeline)
            statement = update(table).where(*is_held, table.c.expires_at > now)
            return connection.execute(statement.values(expires_at=now + round(ttl_s * _SECOND))).rowcount == 1

    def release(self, name: str, owner: str) -> bool:
        """Gives a lease back; false when it was not the owner's. Atomic."""
        with self._database.write() as connection:
            is_own = (table.c.name == name, table.c.owner == owner)
            return connection.execute(delete(table).where(*is_own)).rowcount == 1


def _now(connection: Connection) -> tuple[str, int]:
    """Which clock, and its microseconds."""
    if connection.dialect.name == "postgresql":
        query = f"SELECT (extract(epoch FROM clock_timestamp()) * {_SECOND})::bigint"
        return "server", int(connection.exec_driver_sql(query).scalar_one())
    try:
        boot = _BOOT_ID.read_text().strip()
    except OSError:
        boot = "machine"
    return boot, time.monotonic_ns() // 1000
