"""States of a project's sources, by digest."""

from __future__ import annotations

from tidewheel.core.errors import NotFoundError
from tidewheel.core.records import SourceState
from tidewheel.metadata_store.database import Database
from tidewheel.metadata_store.statements import find_record, insert_new


class SourceStore:
    """Which files a run imported, and what Git knew of them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, state: SourceState) -> None:
        """Records a state. Atomic, idempotent: equal sources keep what was known when they were first seen."""
        with self._database.write() as connection:
            insert_new(connection, "source_state", {"digest": state.digest, "record": state.to_json().decode()})

    def get(self, digest: str) -> SourceState:
        """The sources with a digest, as a run names them.

        Raises:
            NotFoundError: no run had such sources.
        """
        found = self.find(digest)
        if found is None:
            raise NotFoundError("source state", digest, next_step="see `tidewheel runs` for the sources that ran")
        return found

    def find(self, digest: str) -> SourceState | None:
        """The sources with a digest, if a run had them."""
        with self._database.read() as connection:
            record = find_record(connection, "source_state", digest=digest)
        return None if record is None else SourceState.from_json(record)
