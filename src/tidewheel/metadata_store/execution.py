"""Executions: what each step was given, what it made, and the threads of lineage between them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

import msgspec
from sqlalchemy import Connection, delete, func, insert, select, update
from sqlalchemy.sql import Select

from tidewheel.core.errors import ConflictError, NotFoundError
from tidewheel.core.records import Artifact, Execution, ExecutionStatus
from tidewheel.metadata_store.database import Database
from tidewheel.metadata_store.statements import get_by_prefix, insert_new
from tidewheel.metadata_store.tables import artifact, run
from tidewheel.metadata_store.tables import execution as table
from tidewheel.metadata_store.tables import execution_artifact as link

Direction = Literal["input", "output"]

_OPEN: tuple[ExecutionStatus, ...] = ("waiting", "running")


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
            first = connection.execute(
                select(func.coalesce(func.max(table.c.place) + 1, 0)).where(table.c.run_id == executions[0].run_id)
            ).scalar_one()
            rows = [{**_row(execution), "is_reusable": True} for execution in executions]
            connection.execute(insert(table), [{**row, "place": first + offset} for offset, row in enumerate(rows)])
            for execution in executions:
                _put_artifacts(connection, execution)

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
            changed = connection.execute(
                update(table)
                .where(table.c.id == execution.id, table.c.run_id == execution.run_id, table.c.status.in_(_OPEN))
                .values(**_row(execution), is_reusable=is_reusable)
            )
            if not changed.rowcount:
                _accept_repetition(connection, execution)
                return execution
            connection.execute(delete(link).where(link.c.execution_id == execution.id))
            _put_artifacts(connection, execution)
        return execution

    def mark_missed(self, execution_id: str) -> None:
        """Takes an execution out of reuse, since its fingerprint did not cover all that it loaded. Atomic: one row."""
        with self._database.write() as connection:
            connection.execute(update(table).where(table.c.id == execution_id).values(is_reusable=False))

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
            return Execution.from_json(get_by_prefix(connection, table, "execution", execution_id))

    def find(self, run_id: str, node: str) -> Execution | None:
        """The execution of a run's node, if there is one."""
        found = self._select(select(table.c.record).where(table.c.run_id == run_id, table.c.node == node))
        return found[0] if found else None

    def list(self, run_id: str) -> Sequence[Execution]:
        """The executions of a run in plan order."""
        return self._select(select(table.c.record).where(table.c.run_id == run_id).order_by(table.c.place))

    def find_reusable(self, fingerprint: str) -> Execution | None:
        """The newest execution that succeeded under a fingerprint and may be reused; an empty one finds nothing."""
        found = self._select(
            select(table.c.record)
            .where(
                table.c.fingerprint == fingerprint,
                table.c.fingerprint != "",
                table.c.status == "succeeded",
                table.c.is_reusable.is_(True),
            )
            .order_by(table.c.ended_at.desc(), table.c.id.desc())
            .limit(1)
        )
        return found[0] if found else None

    def latest_of_node(
        self,
        pipeline: str,
        node: str,
        before_run: str,
        statuses: Iterable[ExecutionStatus] = ("succeeded", "cached"),
    ) -> Execution | None:
        """What a node did in the newest earlier run of its pipeline that got there: what `why-rerun` compares with."""
        found = self._select(
            select(table.c.record)
            .join(run, run.c.id == table.c.run_id)
            .where(
                run.c.pipeline == pipeline,
                table.c.node == node,
                table.c.run_id < before_run,
                table.c.status.in_(tuple(statuses)),
            )
            .order_by(table.c.run_id.desc())
            .limit(1)
        )
        return found[0] if found else None

    def by_output(self, digest: str) -> Sequence[Execution]:
        """The executions that gave an artifact, the one that made it first, then those that reused or remade it."""
        return self._by_artifact(digest, "output")

    def by_input(self, digest: str) -> Sequence[Execution]:
        """The executions that were given an artifact, oldest first."""
        return self._by_artifact(digest, "input")

    def _by_artifact(self, digest: str, direction: Direction) -> Sequence[Execution]:
        ids = select(link.c.execution_id).where(link.c.digest == digest, link.c.direction == direction)
        return self._select(select(table.c.record).where(table.c.id.in_(ids)).order_by(table.c.run_id, table.c.place))

    def _select(self, statement: Select[Any]) -> Sequence[Execution]:
        with self._database.read() as connection:
            return [Execution.from_json(record) for record in connection.execute(statement).scalars()]


def _row(execution: Execution) -> dict[str, object]:
    return {
        "id": execution.id,
        "run_id": execution.run_id,
        "node": execution.node,
        "status": execution.status,
        "fingerprint": execution.fingerprint,
        "ended_at": execution.ended_at,
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
    insert_new(
        connection, artifact, *({"digest": digest, "record": _json(values[digest])} for digest in sorted(values))
    )
    connection.execute(insert(link), links)


def _json(value: Artifact) -> str:
    return value.to_json().decode()


def _accept_repetition(connection: Connection, execution: Execution) -> None:
    """The same completion told twice, as when a report is collected again, is no conflict."""
    recorded = Execution.from_json(get_by_prefix(connection, table, "execution", execution.id))
    if msgspec.structs.asdict(recorded) != msgspec.structs.asdict(Execution.from_json(execution.to_json())):
        raise ConflictError(
            f"execution {execution.id} of step {execution.node!r} has ended as {recorded.status!r}",
            where=f"run {execution.run_id}",
            next_step="what has ended is never rewritten; start a new run",
        )
