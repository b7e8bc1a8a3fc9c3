"""One step or operation of a run, carried out."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from tidewheel.core.records.artifact import Artifact
from tidewheel.core.records.record import Record

ExecutionStatus = Literal["waiting", "running", "succeeded", "cached", "failed", "stopped", "cancelled", "skipped"]
"""`cached`: outputs of an equal execution were taken. `skipped`: something it needs did not succeed."""


class Failure(Record, frozen=True, kw_only=True):
    """Why an execution did not succeed.

    Attributes:
        kind: the exception's class, or `killed`, `timeout`, `exited`.
        message: its text, one paragraph.
        traceback: frames of the project's code and below; empty for a process that died.
        is_retryable: whether another attempt may be made.
    """

    kind: str
    message: str
    traceback: str = ""
    is_retryable: bool = True


class Execution(Record, frozen=True, kw_only=True):
    """What a step was given, what it made, and what that cost.

    Attributes:
        id: unique in the workspace.
        run_id: its run.
        node: the name of the call in the plan, such as `train` or `train-2`.
        step: `module:function`, or the name of an operation.
        step_version: digest of the step's closure.
        fingerprint: the key under which it may be reused; empty for what must never be.
        fingerprint_parts: what the key was made of, by part and name, for `why-rerun`.
        parameters: keyword-only arguments.
        inputs: artifacts by argument name; list and dict arguments are `name.0`, `name.key`.
        outputs: artifacts by output name; a step with one unnamed output calls it `output`.
        metrics: numbers of outputs of type Metrics, as `name` or `output.name`.
        cached_from: the execution whose outputs were taken.
        attempts: how often it was tried.
        host, worker_pid: where the last attempt ran.
        cpu_s, peak_memory_bytes: of the worker process of the last attempt.
        log: path of its log, relative to the workspace.
    """

    id: str
    run_id: str
    node: str
    step: str
    status: ExecutionStatus
    step_version: str = ""
    fingerprint: str = ""
    fingerprint_parts: dict[str, Any] = {}
    parameters: dict[str, Any] = {}
    inputs: dict[str, Artifact] = {}
    outputs: dict[str, Artifact] = {}
    metrics: dict[str, float | None] = {}
    cached_from: str = ""
    attempts: int = 0
    host: str = ""
    worker_pid: int = 0
    cpu_s: float = 0.0
    peak_memory_bytes: int = 0
    log: str = ""
    reason: str = ""
    failure: Failure | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None

    @property
    def duration_s(self) -> float | None:
        """Wall time from start to end, in seconds; None while it has not ended."""
        if self.started_at is None or self.ended_at is None:
            return None
        return (self.ended_at - self.started_at).total_seconds()
