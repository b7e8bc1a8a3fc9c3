"""What snapshots were committed with, kept when they expire.

"This file was ingested" is a property of the snapshot that brought its rows, so forgetting the snapshot must not forget
that. Unlike the index of files this is no cache: it lies beside the catalog and lasts as long as the tables do.
"""

from __future__ import annotations

import contextlib
import re
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from tidewheel.core.errors import StorageError
from tidewheel.core.records import Record, Snapshot
from tidewheel.core.write_ahead_log import use_write_ahead_log

_BUSY_TIMEOUT_S = 30.0
_COUNTS = re.compile(r"(added|removed|deleted|total|changed)-[a-z-]+")
"""Iceberg's own entries, which say nothing that a later writer asks for."""

_CREATE = """
create table if not exists snapshot (
    table_uuid text not null, snapshot_id integer not null, sequence integer not null, record text not null,
    properties text not null, primary key (table_uuid, snapshot_id)
) without rowid;
create table if not exists property (
    table_uuid text not null, key text not null, value text not null, sequence integer not null,
    snapshot_id integer not null, primary key (table_uuid, key, sequence, snapshot_id)
) without rowid;
"""


class ExpiredSnapshot(Record, frozen=True, kw_only=True):
    """A published snapshot that is forgotten.

    Attributes:
        snapshot: its record.
        sequence: its place in the order of commits.
        properties: what it was committed with.
    """

    snapshot: Snapshot
    sequence: int
    properties: dict[str, str]


class ExpiredSnapshots:
    """Found by their properties. Safe for threads and processes.

    Args:
        path: the SQLite file; made when something is kept.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def put(self, expired: Iterable[ExpiredSnapshot]) -> None:
        """Keeps snapshots, before they are forgotten; one that is known already is left as it is. Durable, atomic.

        Raises:
            StorageError: the disk refused; then nothing may be forgotten.
        """
        with self._connection() as connection:
            connection.executescript(_CREATE)
            connection.execute("begin immediate")
            for one in expired:
                uuid, number = one.snapshot.table_uuid, one.snapshot.snapshot_id
                kept = {key: value for key, value in one.properties.items() if not _COUNTS.fullmatch(key)}
                connection.execute(
                    "insert or ignore into snapshot values (?, ?, ?, ?, ?)",
                    (uuid, number, one.sequence, one.snapshot.to_json(), msgspec.json.encode(kept)),
                )
                connection.executemany(
                    "insert or ignore into property values (?, ?, ?, ?, ?)",
                    [(uuid, key, value, one.sequence, number) for key, value in kept.items()],
                )
            connection.execute("commit")

    def find(self, table_uuid: str, key: str, value: str | None = None) -> Snapshot | None:
        """The newest expired snapshot of a table that was committed with a property, of any value or a given one."""
        rows = self._rows(
            """select record from property join snapshot using (table_uuid, snapshot_id)
            where table_uuid = ? and key = ? and (? is null or value = ?) order by property.sequence desc limit 1""",
            (table_uuid, key, value, value),
        )
        return Snapshot.from_json(rows[0][0]) if rows else None

    def properties(self, table_uuid: str, snapshot_id: int) -> dict[str, str] | None:
        """What an expired snapshot was committed with; None when it is not known."""
        rows = self._rows(
            "select properties from snapshot where table_uuid = ? and snapshot_id = ?", (table_uuid, snapshot_id)
        )
        return dict(msgspec.json.decode(rows[0][0], type=dict[str, str])) if rows else None

    def _rows(self, query: str, arguments: tuple[object, ...]) -> list[tuple[bytes]]:
        if not self._path.exists():
            return []
        with self._connection() as connection:
            if not connection.execute("select 1 from sqlite_master where name = 'property'").fetchone():
                return []
            return connection.execute(query, arguments).fetchall()

    @contextlib.contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        try:
            with contextlib.closing(
                sqlite3.connect(self._path, timeout=_BUSY_TIMEOUT_S, isolation_level=None)
            ) as connection:
                use_write_ahead_log(connection, timeout_s=_BUSY_TIMEOUT_S)
                connection.execute("pragma synchronous = full")
                yield connection
        except sqlite3.Error as error:
            raise StorageError(
                f"what expired snapshots brought cannot be looked up: {error}",
                where=str(self._path),
                next_step="check free space and permissions, or restore the file",
            ) from error
