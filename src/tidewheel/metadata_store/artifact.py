"""Artifacts: what is known of every value that an execution was given or made."""

from __future__ import annotations

from sqlalchemy import select

from tidewheel.core.errors import NotFoundError
from tidewheel.core.records import Artifact
from tidewheel.metadata_store.database import Database
from tidewheel.metadata_store.statements import PREFIX_LENGTH, find_record, insert_new
from tidewheel.metadata_store.tables import artifact as table


class ArtifactRecordStore:
    """Descriptions of values by digest; `ExecutionStore` writes those that executions name."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, artifact: Artifact) -> None:
        """Records a value that no execution names, such as the sources. Atomic, idempotent; the first record stays."""
        with self._database.write() as connection:
            insert_new(connection, table, {"digest": artifact.digest, "record": artifact.to_json().decode()})

    def get(self, digest: str) -> Artifact:
        """The artifact with this digest, or with a digest that begins so.

        Raises:
            NotFoundError: none has, or several have.
        """
        with self._database.read() as connection:
            rows = connection.execute(
                select(table.c.digest, table.c.record)
                .where(table.c.digest >= digest, table.c.digest < digest + "~")
                .limit(2)
            ).all()
        if len(rows) == 1 and len(digest) >= PREFIX_LENGTH:
            return Artifact.from_json(rows[0].record)
        problem = "say more of its digest" if rows else "no execution was given or made it"
        raise NotFoundError("artifact", digest, next_step=problem)

    def find(self, digest: str) -> Artifact | None:
        """The artifact with exactly this digest."""
        with self._database.read() as connection:
            record = find_record(connection, table, digest=digest)
        return None if record is None else Artifact.from_json(record)
