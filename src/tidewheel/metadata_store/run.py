"""Runs: written at the start, completed once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from tidewheel.core.errors import ConflictError
from tidewheel.core.records import Run, RunStatus
from tidewheel.metadata_store.database import Database
from tidewheel.metadata_store.experiment import put_experiment
from tidewheel.metadata_store.statements import Columns, find_record, get_by_prefix, insert, where

_COMPLETE = "UPDATE run SET status = :status, record = :record WHERE id = :id AND status = 'running'"
_OF_EVENT = "SELECT record FROM run WHERE event_id = :event_id ORDER BY id DESC"
_FILTERS = ("pipeline = :pipeline", "status = :status", "id < :before")

_PAGE = 100


class RunStore:
    """Who started what, from which sources, why, and how it ended."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, run: Run) -> Run:
        """Records a run at its start. Atomic, with what it is found by.

        Raises:
            ConflictError: the id is taken.
        """
        with self._database.write() as connection:
            insert(connection, "run", _row(run))
            put_experiment(connection, run)
        return run

    def complete(self, run_id: str, status: RunStatus, reason: str, ended_at: datetime) -> Run:
        """Records how a run ended. Atomic, once: repeating the same status changes nothing.

        Raises:
            ConflictError: it has ended with another status.
            NotFoundError: there is no such run.
        """
        with self._database.write() as connection:
            run = Run.from_json(get_by_prefix(connection, "run", "run", run_id))
            ended = msgspec.structs.replace(run, status=status, reason=reason, ended_at=ended_at)
            if connection.execute(_COMPLETE, id=run.id, status=status, record=ended.to_json().decode()).rowcount:
                return ended
            run = Run.from_json(get_by_prefix(connection, "run", "run", run_id))
        if run.status != status:
            raise ConflictError(
                f"run {run.id} has ended as {run.status!r} and cannot become {status!r}",
                next_step=f"see `tidewheel show {run.id}`",
            )
        return run

    def get(self, run_id: str) -> Run:
        """The run with this id, or with an id that begins so.

        Raises:
            NotFoundError: none has, or several have; near ids are named.
        """
        with self._database.read() as connection:
            return Run.from_json(get_by_prefix(connection, "run", "run", run_id))

    def find(self, run_id: str) -> Run | None:
        """The run with exactly this id."""
        with self._database.read() as connection:
            record = find_record(connection, "run", id=run_id)
        return None if record is None else Run.from_json(record)

    def latest(
        self, pipeline: str | None = None, status: RunStatus | None = None, *, with_operations: bool = True
    ) -> Run | None:
        """The newest run, of a pipeline or with a status when given."""
        return next(iter(self.list(pipeline, status, limit=1, with_operations=with_operations)), None)

    def list(
        self,
        pipeline: str | None = None,
        status: RunStatus | None = None,
        limit: int = 50,
        before: str | None = None,
        *,
        with_operations: bool = True,
    ) -> Sequence[Run]:
        """Runs, newest first.

        Args:
            pipeline: only of this one.
            status: only with this one.
            limit: at most so many.
            before: only runs older than the one with this id: the last of the previous page.
            with_operations: also those of no pipeline, such as `ingest`.
        """
        size = limit if with_operations else max(limit, _PAGE)
        found: Sequence[Run] = ()
        while True:
            given = {"pipeline": pipeline, "status": status, "before": before}
            sql = f"SELECT record FROM run {where(given, *_FILTERS)} ORDER BY id DESC LIMIT :limit"
            with self._database.read() as connection:
                page = [Run.from_json(record) for record in connection.scalars(sql, **given, limit=size)]
            found = [*found, *(run for run in page if with_operations or run.plan_digest)]
            if len(page) < size or len(found) >= limit:
                return found[:limit]
            before = page[-1].id

    def running(self) -> Sequence[Run]:
        """Runs that have not ended, the ones whose orchestrator died included."""
        return self.list(status="running", limit=1_000_000)

    def of_event(self, event_id: str) -> Sequence[Run]:
        """The runs that name an event as their cause, newest first."""
        with self._database.read() as connection:
            return [Run.from_json(record) for record in connection.scalars(_OF_EVENT, event_id=event_id)]


def _row(run: Run) -> Columns:
    return {
        "id": run.id,
        "pipeline": run.pipeline,
        "status": run.status,
        "event_id": run.event_id,
        "record": run.to_json().decode(),
    }
