"""Leases: so that of several controllers one ticks at a time."""

from __future__ import annotations

import time
from pathlib import Path

from tidewheel.metadata_store.connection import Connection
from tidewheel.metadata_store.database import Database
from tidewheel.metadata_store.statements import Columns, insert_new

_TAKE = """
    UPDATE lease SET owner = :owner, timeline = :timeline, expires_at = :expires_at
    WHERE name = :name AND (owner = :owner OR expires_at <= :now OR timeline != :timeline)
"""
_RENEW = """
    UPDATE lease SET expires_at = :expires_at
    WHERE name = :name AND owner = :owner AND timeline = :timeline AND expires_at > :now
"""
_SERVER_NOW = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
_RELEASE = "DELETE FROM lease WHERE name = :name AND owner = :owner"

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
            expires_at = now + round(ttl_s * _SECOND)
            row: Columns = {"name": name, "owner": owner, "timeline": timeline, "expires_at": expires_at}
            return insert_new(connection, "lease", row) == 1 or connection.execute(_TAKE, **row, now=now).rowcount == 1

    def renew(self, name: str, owner: str, ttl_s: float) -> bool:
        """Prolongs a lease; false when the owner has lost it and must stop. Atomic."""
        with self._database.write() as connection:
            timeline, now = _now(connection)
            held: Columns = {"name": name, "owner": owner, "timeline": timeline, "now": now}
            return connection.execute(_RENEW, **held, expires_at=now + round(ttl_s * _SECOND)).rowcount == 1

    def release(self, name: str, owner: str) -> bool:
        """Gives a lease back; false when it was not the owner's. Atomic."""
        with self._database.write() as connection:
            return connection.execute(_RELEASE, name=name, owner=owner).rowcount == 1


def _now(connection: Connection) -> tuple[str, int]:
    """Which clock, and its microseconds."""
    if connection.dialect == "postgresql":
        return "server", int(connection.scalar(_SERVER_NOW))
    try:
        boot = _BOOT_ID.read_text().strip()
    except OSError:
        boot = "machine"
    return boot, time.monotonic_ns() // 1000
