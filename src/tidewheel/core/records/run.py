"""One carrying out of a plan."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from tidewheel.core.records.record import Record

RunStatus = Literal["running", "succeeded", "failed", "stopped", "cancelled", "interrupted"]
"""`stopped`: a step ended the run with a reason. `interrupted`: the orchestrator died; `resume` goes on."""


class Run(Record, frozen=True, kw_only=True):
    """Who started what, from which sources, why, when, and how it ended.

    Attributes:
        id: sortable by creation.
        pipeline: its name; `ingest`, `label` and the like for operations that a command starts.
        plan_digest: the version of the pipeline as planned with its parameters.
        event_id: the cause.
        parameters: the pipeline's effective arguments.
        sources_digest: the artifact that workers imported from.
        commit, branch, is_dirty, author: the state of the Git repository; empty outside of one.
        runtime_digest: the software it ran on.
        lock_digest: the project's lock file, empty when it has none.
        executor: the orchestrator that carried it out, such as `local`.
        host, user: where, and as whom.
        orchestrator_pid: the process that records; dead and `running` means interrupted.
        resumed_from: the run whose finished executions were taken over.
        repeats: the run that this one carries out again, to be compared: it makes no version and no signal.
        reason: why it stopped or failed, in one line.
        at, started_at, ended_at: workspace clock; wall clock; wall clock.
    """

    id: str
    pipeline: str
    status: RunStatus
    plan_digest: str
    event_id: str
    parameters: dict[str, Any]
    sources_digest: str
    commit: str
    branch: str
    is_dirty: bool
    author: str
    runtime_digest: str
    lock_digest: str
    executor: str
    host: str
    user: str
    orchestrator_pid: int
    resumed_from: str = ""
    repeats: str = ""
    reason: str = ""
    at: datetime
    started_at: datetime
    ended_at: datetime | None = None
