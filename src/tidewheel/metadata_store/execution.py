"""Executions: what each step was given, what it made, and the threads of lineage between them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

from tidewheel.core.errors import ConflictError, NotFoundError
from tidewheel.core.records import Artifact, Execution, ExecutionStatus
from tidewheel.metadata_store.connection import Connection, Value
from tidewheel.metadata_store.database import Database
from tidewheel.metadata_store.experiment import put_metrics
from tidewheel.metadata_store.moment import to_microseconds
from tidewheel.metadata_store.statements import Columns, get_by_prefix, insert, insert_new, listed

Direction = Literal["input", "output"]

_NEXT_PLACE = "SELECT coalesce(max(place) + 1, 0) FROM execution WHERE run_id = :run_id"
_UPDATE = """
    UPDATE execution SET
        node = :node, status = :status, fingerprint = :fingerprint, is_reusable = :is_reusable,
        ended_at = :ended_at, record = :record
    WHERE id = :id AND run_id = :run_id AND status IN ('waiting', 'running')
"""
_FIND = "SELECT record FROM execution WHERE run_id = :run_id AND node = :node"
_OF_RUN = "SELECT record FROM execution WHERE run_id = :run_id ORDER BY place"
_REUSABLE = """
    SELECT record FROM execution
    WHERE fingerprint = :fingerprint AND fingerprint != '' AND status = 'succeeded' AND is_reusable = TRUE
    ORDER BY ended_at DESC, id DESC LIMIT 1
"""
_LATEST_OF_NODE = """
    SELECT execution.record FROM execution JOIN run ON run.id = execution.run_id
    WHERE run.pipeline = :pipeline AND execution.node = :node AND execution.run_id < :before_run
        AND execution.status IN {statuses}
    ORDER BY execution.run_id DESC LIMIT 1
"""
_BY_ARTIFACT = """
    SELECT record FROM execution
    WHERE id IN (SELECT execution_id FROM execution_artifact WHERE digest = :digest AND direction = :direction)
    ORDER BY run_id, place
"""


class ExecutionStore:
    """What steps and operations did, each recorded when planned, when started and when ended."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, execution: Execution) -> Execution:
        """Records one execution after those of its run. Atomic, as `put_many`."""
        self.put_many([execution])
        return execution

    def put_many(self, executions: Sequence[Execution]) -> None:
        """Records new executions of one run in plan order. Atomic: all of them with their artifacts, or none.

        Raises:
            ConflictError: an id or a node of the run is taken, or the run does not exist.
        """
        if not executions:
            return
        with self._database.write() as connection:
            first = connection.scalar(_NEXT_PLACE, run_id=executions[0].run_id)
            rows: list[Columns] = [
                {**_row(execution), "is_reusable": True, "place": place}
                for place, execution in enumerate(executions, start=first)
            ]
            insert(connection, "execution", *rows)
            for execution in executions:
                _put_artifacts(connection, execution)
                put_metrics(connection, execution)

    def update(self, execution: Execution, *, is_reusable: bool = True) -> Execution:
        """Records a new state, such as a completion. Atomic: status, outputs, metrics and artifacts together.

        Args:
            execution: the whole new fact.
            is_reusable: false when the worker loaded modules that the fingerprint did not cover.

        Raises:
            ConflictError: it has ended already, with something else; what ended is never rewritten.
            NotFoundError: it was never created.
        """
        with self._database.write() as connection:
            if not connection.execute(_UPDATE, **_row(execution), is_reusable=is_reusable).rowcount:
                _accept_repetition(connection, execution)
                return execution
            connection.execute("DELETE FROM execution_artifact WHERE execution_id = :id", id=execution.id)
            _put_artifacts(connection, execution)
            put_metrics(connection, execution)
        return execution

    def get(self, run_id: str, node: str) -> Execution:
        """The execution of a run's node.

        Raises:
            NotFoundError: the run has no such node; near names are offered.
        """
        found = self.find(run_id, node)
        if found is None:
            known = [execution.node for execution in self.list(run_id)]
            raise NotFoundError("step", node, known=known, where=f"run {run_id}")
        return found

    def get_by_id(self, execution_id: str) -> Execution:
        """The execution with this id, or with an id that begins so.

        Raises:
            NotFoundError: none has, or several have.
        """
        with self._database.read() as connection:
            return Execution.from_json(get_by_prefix(connection, "execution", "execution", execution_id))

    def find(self, run_id: str, node: str) -> Execution | None:
        """The execution of a run's node, if there is one."""
        found = self._select(_FIND, run_id=run_id, node=node)
        return found[0] if found else None

    def list(self, run_id: str) -> Sequence[Execution]:
        """The executions of a run in plan order."""
        return self._select(_OF_RUN, run_id=run_id)

    def find_reusable(self, fingerprint: str) -> Execution | None:
        """The newest execution that succeeded under a fingerprint and may be reused; an empty one finds nothing."""
        found = self._select(_REUSABLE, fingerprint=fingerprint)
        return found[0] if found else None

    def latest_of_node(
        self,
        pipeline: str,
        node: str,
        before_run: str,
        statuses: Iterable[ExecutionStatus] = ("succeeded", "cached"),
    ) -> Execution | None:
        """What a node did in the newest earlier run of its pipeline that got there: what `why-rerun` compares with."""
        names, parameters = listed("status", tuple(statuses))
        sql = _LATEST_OF_NODE.format(statuses=names)
        found = self._select(sql, pipeline=pipeline, node=node, before_run=before_run, **parameters)
        return found[0] if found else None

    def by_output(self, digest: str) -> Sequence[Execution]:
        """The executions that gave an artifact, the one that made it first, then those that reused or remade it."""
        return self._by_artifact(digest, "output")

    def by_input(self, digest: str) -> Sequence[Execution]:
        """The executions that were given an artifact, oldest first."""
        return self._by_artifact(digest, "input")

    def _by_artifact(self, digest: str, direction: Direction) -> Sequence[Execution]:
        return self._select(_BY_ARTIFACT, digest=digest, direction=direction)

    def _select(self, sql: str, **parameters: Value) -> Sequence[Execution]:
        with self._database.read() as connection:
            return [Execution.from_json(record) for record in connection.scalars(sql, **parameters)]


def _row(execution: Execution) -> Columns:
    return {
        "id": execution.id,
        "run_id": execution.run_id,
        "node": execution.node,
        "status": execution.status,
        "fingerprint": execution.fingerprint,
        "ended_at": None if execution.ended_at is None else to_microseconds(execution.ended_at),
        "record": execution.to_json().decode(),
    }


def _put_artifacts(connection: Connection, execution: Execution) -> None:
    sides: dict[Direction, dict[str, Artifact]] = {"input": execution.inputs, "output": execution.outputs}
    links = [
        {"execution_id": execution.id, "direction": direction, "name": name, "digest": value.digest}
        for direction, values in sides.items()
        for name, value in values.items()
    ]
    if not links:
        return
    values = {value.digest: value for side in sides.values() for value in side.values()}
    # In order of digest: two transactions that insert the same ones never wait for each other in a circle.
    rows = [{"digest": digest, "record": value.to_json().decode()} for digest, value in sorted(values.items())]
    insert_new(connection, "artifact", *rows)
    insert(connection, "execution_artifact", *links)


def _accept_repetition(connection: Connection, execution: Execution) -> None:
    """The same completion told twice, as when a report is collected again, is no conflict."""
    recorded = Execution.from_json(get_by_prefix(connection, "execution", "execution", execution.id))
    if msgspec.structs.asdict(recorded) != msgspec.structs.asdict(Execution.from_json(execution.to_json())):
        raise ConflictError(
            f"execution {execution.id} of step {execution.node!r} has ended as {recorded.status!r}",
            where=f"run {execution.run_id}",
            next_step="what has ended is never rewritten; start a new run",
        )
