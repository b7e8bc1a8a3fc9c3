"""Artifacts: what is known of every value that an execution was given or made."""

from __future__ import annotations

from tidewheel.core.errors import NotFoundError
from tidewheel.core.records import Artifact
from tidewheel.metadata_store.database import Database
from tidewheel.metadata_store.statements import PREFIX_LENGTH, find_record, insert_new

# "~" sorts after every character of a digest, so this is a range of the primary key.
_FIND = "SELECT record FROM artifact WHERE digest >= :first AND digest < :end LIMIT 2"


class ArtifactRecordStore:
    """Descriptions of values by digest; `ExecutionStore` writes those that executions name."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, artifact: Artifact) -> None:
        """Records a value that no execution names, such as the sources. Atomic, idempotent; the first record stays."""
        with self._database.write() as connection:
            insert_new(connection, "artifact", {"digest": artifact.digest, "record": artifact.to_json().decode()})

    def get(self, digest: str) -> Artifact:
        """The artifact with this digest, or with a digest that begins so.

        Raises:
            NotFoundError: none has, or several have.
        """
        with self._database.read() as connection:
            records = connection.scalars(_FIND, first=digest, end=f"{digest}~")
        if len(records) == 1 and len(digest) >= PREFIX_LENGTH:
            return Artifact.from_json(records[0])
        problem = "say more of its digest" if records else "no execution was given or made it"
        raise NotFoundError("artifact", digest, next_step=problem)

    def find(self, digest: str) -> Artifact | None:
        """The artifact with exactly this digest."""
        with self._database.read() as connection:
            record = find_record(connection, "artifact", digest=digest)
        return None if record is None else Artifact.from_json(record)
