"""Puts the record of a run right whose orchestrator died."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from tidewheel.core.clock import utc_now
from tidewheel.core.records import Execution, Run
from tidewheel.metadata_store import ExecutionStore, RunStore
from tidewheel.orchestrator.attempt import WorkerReport
from tidewheel.orchestrator.run_lock import is_alive


def collect_reports(
    run: Run,
    folder: Path,
    runs: RunStore,
    executions: ExecutionStore,
    *,
    on_end: Callable[[Run, Mapping[str, Execution]], None] | None = None,
) -> Run:
    """Records what the workers of an interrupted run had finished, and that it was interrupted.

    A run that is not `running`, or whose orchestrator lives, is left as it is. Calling it twice changes nothing more.

    Args:
        on_end: called with the run as it will be recorded and with its executions, before it is: when the process dies
            in between, the next one that collects calls it again.
    """
    if run.status != "running" or is_alive(folder):
        return run
    run = runs.get(run.id)  # it may have ended between the two looks: an orchestrator records that before it lets go
    if run.status != "running":
        return run
    for execution in executions.list(run.id):
        if execution.status in ("waiting", "running"):
            executions.update(_as_reported(execution, folder))
    reason, now = "its orchestrator ended before the run did", utc_now()
    if on_end is not None:
        ended = msgspec.structs.replace(run, status="interrupted", reason=reason, ended_at=now)
        on_end(ended, {one.node: one for one in executions.list(run.id)})
    runs.complete(run.id, "interrupted", reason, now)
    return runs.get(run.id)


def _as_reported(execution: Execution, folder: Path) -> Execution:
    attempts = sorted((folder / execution.node).glob("attempt-*"), key=lambda path: int(path.name.split("-")[1]))
    report = next((report for path in reversed(attempts) if (report := WorkerReport.find(path))), None)
    if report is None:
        return msgspec.structs.replace(execution, status="cancelled", reason="interrupted", ended_at=utc_now())
    return msgspec.structs.replace(
        execution,
        status=report.status,
        outputs=report.outputs,
        metrics=report.metrics,
        failure=report.failure,
        reason=report.reason,
        fingerprint=execution.fingerprint if report.is_reusable else "",
        worker_pid=report.worker_pid,
        started_at=report.started_at,
        ended_at=report.ended_at,
    )
