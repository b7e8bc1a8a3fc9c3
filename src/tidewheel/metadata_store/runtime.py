"""Runtimes: the software that executions ran on, by digest."""

from __future__ import annotations

from tidewheel.core.errors import NotFoundError
from tidewheel.core.records import Runtime
from tidewheel.metadata_store.database import Database
from tidewheel.metadata_store.statements import find_record, insert_new


class RuntimeStore:
    """Python, platform and distributions, each combination once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, runtime: Runtime) -> None:
        """Records a runtime. Atomic, idempotent."""
        with self._database.write() as connection:
            insert_new(connection, "runtime", {"digest": runtime.digest, "record": runtime.to_json().decode()})

    def get(self, digest: str) -> Runtime:
        """The runtime with a digest, as a run names it.

        Raises:
            NotFoundError: nothing ran on it.
        """
        found = self.find(digest)
        if found is None:
            raise NotFoundError("runtime", digest, next_step="see `tidewheel runs` for the runtimes that were used")
        return found

    def find(self, digest: str) -> Runtime | None:
        """The runtime with a digest, if something ran on it."""
        with self._database.read() as connection:
            record = find_record(connection, "runtime", digest=digest)
        return None if record is None else Runtime.from_json(record)
