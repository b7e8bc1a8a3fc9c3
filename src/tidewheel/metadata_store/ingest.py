"""Ingested files: which content is in which table already."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from tidewheel.core.records.record import Record
from tidewheel.metadata_store.database import Database
from tidewheel.metadata_store.statements import find_record, insert_new, where


class Ingest(Record, frozen=True, kw_only=True):
    """One file's content in one table.

    Attributes:
        table: where the rows went.
        content_digest: of the file; the same content under another name is the same ingest.
        file: its name, for people.
        snapshot_id: the snapshot that holds the rows first.
        run_id: the run that brought them.
        row_count: how many.
        recorded_at: wall clock.
    """

    table: str
    content_digest: str
    file: str
    snapshot_id: int
    run_id: str
    row_count: int
    recorded_at: datetime


class IngestStore:
    """What was ingested, so that the same file twice adds nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, ingest: Ingest) -> tuple[Ingest, bool]:
        """Records that a content is in a table, or finds who brought it first. Atomic.

        Returns:
            The ingest of this content, and whether it is this one.
        """
        key = {"table_name": ingest.table, "content_digest": ingest.content_digest}
        row = {**key, "run_id": ingest.run_id, "record": ingest.to_json().decode()}
        with self._database.write("decision") as connection:
            if insert_new(connection, "ingest", row):
                return ingest, True
            known = find_record(connection, "ingest", **key)
        assert known is not None, "ingests are never deleted"
        return Ingest.from_json(known), False

    def find(self, table_name: str, content_digest: str) -> Ingest | None:
        """How a content came into a table, if it did."""
        with self._database.read() as connection:
            record = find_record(connection, "ingest", table_name=table_name, content_digest=content_digest)
        return None if record is None else Ingest.from_json(record)

    def list(self, table_name: str | None = None, run_id: str | None = None) -> Sequence[Ingest]:
        """Ingests, oldest first, of a table or a run when given."""
        given = {"table_name": table_name, "run_id": run_id}
        sql = f"SELECT record FROM ingest {where(given, 'table_name = :table_name', 'run_id = :run_id')}"
        with self._database.read() as connection:
            found = [Ingest.from_json(record) for record in connection.scalars(sql, **given)]
        return sorted(found, key=lambda ingest: ingest.recorded_at)
