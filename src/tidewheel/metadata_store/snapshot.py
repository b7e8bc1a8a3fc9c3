"""Snapshots that facts refer to: where each is, and the digest of what it holds."""

from __future__ import annotations

from collections.abc import Sequence

from tidewheel.core.errors import ConflictError, NotFoundError
from tidewheel.core.records import Snapshot
from tidewheel.metadata_store.database import Database
from tidewheel.metadata_store.statements import Columns, find_record, insert_new


class SnapshotStore:
    """Versions of tables that were seen: the address, and the identity of the content."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, snapshot: Snapshot) -> None:
        """Records a snapshot. Atomic, idempotent.

        Raises:
            ConflictError: the address was seen with another content.
        """
        key: Columns = {"table_name": snapshot.table, "snapshot_id": snapshot.snapshot_id, "digest": snapshot.digest}
        with self._database.write() as connection:
            if insert_new(connection, "snapshot", {**key, "record": snapshot.to_json().decode()}):
                return
            known = find_record(connection, "snapshot", table_name=snapshot.table, snapshot_id=snapshot.snapshot_id)
        if known is not None and Snapshot.from_json(known).digest != snapshot.digest:
            raise ConflictError(
                f"snapshot {snapshot.snapshot_id} of table {snapshot.table!r} was recorded with another content",
                next_step="the table was altered outside of Tidewheel; ingest its rows again",
            )

    def get(self, table_name: str, snapshot_id: int) -> Snapshot:
        """The snapshot at an address.

        Raises:
            NotFoundError: it was never recorded.
        """
        with self._database.read() as connection:
            record = find_record(connection, "snapshot", table_name=table_name, snapshot_id=snapshot_id)
        if record is None:
            known = [str(snapshot.snapshot_id) for snapshot in self.list(table_name)]
            raise NotFoundError("snapshot", str(snapshot_id), known=known, where=f"table {table_name!r}")
        return Snapshot.from_json(record)

    def find_by_digest(self, digest: str) -> Sequence[Snapshot]:
        """The snapshots that hold a content, oldest first."""
        return self._list("SELECT record FROM snapshot WHERE digest = :digest", digest=digest)

    def list(self, table_name: str) -> Sequence[Snapshot]:
        """The recorded snapshots of a table, oldest first."""
        return self._list("SELECT record FROM snapshot WHERE table_name = :table_name", table_name=table_name)

    def _list(self, sql: str, **parameters: str) -> Sequence[Snapshot]:
        with self._database.read() as connection:
            found = [Snapshot.from_json(record) for record in connection.scalars(sql, **parameters)]
        return sorted(found, key=lambda snapshot: snapshot.committed_at)
