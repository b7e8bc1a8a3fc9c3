"""What no step makes is recorded as a run of one operation: ingest, label, register, deploy."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

import msgspec

from tidewheel.core.clock import utc_now
from tidewheel.core.identifier import new_id
from tidewheel.core.records import Artifact, Event, Execution, Run
from tidewheel.orchestrator.run_lock import RunLock
from tidewheel.workspace.cause import user_name
from tidewheel.workspace.failures import failure_of
from tidewheel.workspace.stores import Stores


class Operation:
    """An operation while it is carried out; set what it reads before it reads it, and what it made as soon as it is.

    Attributes:
        run: its run.
        inputs, outputs: artifacts by name.
        metrics: numbers such as the rows that it added.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.inputs: dict[str, Artifact] = {}
        self.outputs: dict[str, Artifact] = {}
        self.metrics: dict[str, float | None] = {}


@contextmanager
def record_operation(stores: Stores, name: str, parameters: Mapping[str, Any], event: Event) -> Iterator[Operation]:
    """Records an operation as one run with one execution, as failed when the block raises.

    Example of use: `with record_operation(stores, "ingest", {"table": "flights"}, event) as operation: ...`
    """
    run = _run(stores, name, dict(parameters), event)
    operation = Operation(run)
    execution = Execution(
        id=new_id(),
        run_id=run.id,
        node=name,
        step=name,
        status="running",
        parameters=dict(parameters),
        attempts=1,
        host=run.host,
        worker_pid=os.getpid(),
        started_at=utc_now(),
    )
    with RunLock(stores.folder / "runs" / run.id):
        stores.runs.create(run)
        stores.executions.create(execution)
        try:
            yield operation
        except BaseException as error:
            reason = str(error).splitlines()[0] if str(error) else ""
            _end(stores, operation, execution, "failed", reason, failure=failure_of(error))
            raise
        _end(stores, operation, execution, "succeeded")


def _end(
    stores: Stores,
    operation: Operation,
    execution: Execution,
    status: Literal["failed", "succeeded"],
    reason: str = "",
    **facts: Any,
) -> None:
    """Records how the operation ended, with what it had read and made by then."""
    ended = msgspec.structs.replace(
        execution,
        status=status,
        inputs=operation.inputs,
        outputs=operation.outputs,
        metrics=operation.metrics,
        ended_at=utc_now(),
        **facts,
    )
    stores.executions.update(ended)
    stores.runs.complete(operation.run.id, status, reason, utc_now())


def _run(stores: Stores, name: str, parameters: dict[str, Any], event: Event) -> Run:
    return Run(
        id=new_id(),
        pipeline=name,
        status="running",
        plan_digest="",
        event_id=event.id,
        parameters=parameters,
        sources_digest="",
        commit="",
        branch="",
        is_dirty=False,
        author="",
        runtime_digest=platform.python_version(),
        lock_digest="",
        executor="in process",
        host=os.uname().nodename,
        user=user_name(),
        orchestrator_pid=os.getpid(),
        at=stores.clock.now(),
        started_at=utc_now(),
    )
