"""Runs plans on this machine, in worker processes."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from tidewheel.artifact_store import LocalArtifactStore
from tidewheel.core.errors import DefinitionError
from tidewheel.core.records import Execution, Run, RunStatus
from tidewheel.metadata_store import ClosureMissStore, ExecutionStore, RunStore
from tidewheel.orchestrator.attempts import Attempts, Workers
from tidewheel.orchestrator.binding import codec_problems
from tidewheel.orchestrator.prepared_run import PreparedRun
from tidewheel.orchestrator.progress import Listener, Progress, silent
from tidewheel.orchestrator.run_in_progress import RunInProgress, finished_run
from tidewheel.orchestrator.run_lock import RunLock

OnSuccess = Callable[[Mapping[str, Execution]], None]
OnFailure = Callable[[Run, Mapping[str, Execution]], None]


class LocalOrchestrator:
    """Carries out plans in processes forked from a warm server, as parallel as the plan allows.

    Args:
        workspace: the workspace's folder; logs and reports go to `runs/` in it.
        workers: carry out the steps; closed after a run.
        width: workers at a time; 0 for one per core.
        is_cancellable: whether Ctrl-C and SIGTERM end the run in order; without it they act as ever.
    """

    name = "local"

    def __init__(
        self,
        workspace: Path,
        *,
        runs: RunStore,
        executions: ExecutionStore,
        misses: ClosureMissStore,
        artifacts: LocalArtifactStore,
        workers: Workers,
        width: int = 0,
        is_cancellable: bool = True,
    ) -> None:
        self._workspace = workspace
        self._runs = runs
        self._executions = executions
        self._misses = misses
        self._artifacts = artifacts
        self._workers = workers
        self._width = width or os.cpu_count() or 1
        self._is_cancellable = is_cancellable

    def folder_of(self, run_id: str) -> Path:
        """Where a run's logs, requests and reports are."""
        return self._workspace / "runs" / run_id

    def run(
        self,
        prepared: PreparedRun,
        *,
        listener: Listener = silent,
        on_start: Callable[[Run], None] | None = None,
        on_success: OnSuccess | None = None,
        on_failure: OnFailure | None = None,
    ) -> Run:
        """Carries out a prepared run and records it.

        Args:
            on_start: called when the run is recorded and nothing of it has started.
            on_success: called with the executions when all succeeded, before the run is recorded as such; what it
                raises makes the run fail.
            on_failure: called with the run as it will be recorded, and its executions, when not all succeeded; before
                it is recorded, so that a process that dies in between leaves a run that is still to be collected.

        Raises:
            DefinitionError: an output's type has no codec; nothing was started.
        """
        problems = codec_problems(prepared, self._artifacts.codecs)
        if problems:
            raise DefinitionError(
                f"pipeline {prepared.plan.pipeline!r} cannot store all of its outputs",
                problems,
                next_step="return tables, arrays, JSON values, dataclasses, bytes, files, figures or supported models",
            )
        self._workers.preload(prepared.packages)
        with RunLock(self.folder_of(prepared.run.id)):
            self._runs.create(prepared.run)
            if on_start is not None:
                on_start(prepared.run)
            listener(Progress(kind="run", run=prepared.run, total=len(prepared.plan.nodes)))
            try:
                return self._carry_out(prepared, listener, on_success, on_failure)
            finally:
                self._workers.close()

    def _carry_out(
        self, prepared: PreparedRun, listener: Listener, on_success: OnSuccess | None, on_failure: OnFailure | None
    ) -> Run:
        progress = RunInProgress(
            prepared,
            executions=self._executions,
            misses=self._misses,
            artifacts=self._artifacts,
            attempts=Attempts(self._workers, self._width),
            folder=self.folder_of(prepared.run.id),
            workspace=self._workspace,
            listener=listener,
        )
        with _cancellation(is_handled=self._is_cancellable) as is_cancelled:
            status, reason = progress.carry_out(is_cancelled)
        if status == "succeeded" and on_success is not None:
            try:
                on_success(progress.executions)
            except Exception as error:
                self._complete(prepared.run, "failed", f"{type(error).__name__}: {error}", listener)
                raise
        elif on_failure is not None:
            try:
                on_failure(finished_run(prepared.run, status, reason), progress.executions)
            except Exception:
                self._complete(prepared.run, status, reason, listener)
                raise
        return self._complete(prepared.run, status, reason, listener)

    def _complete(self, run: Run, status: RunStatus, reason: str, listener: Listener) -> Run:
        ended = finished_run(run, status, reason)
        assert ended.ended_at is not None
        self._runs.complete(run.id, status, reason, ended.ended_at)
        listener(Progress(kind="run", run=ended))
        return ended


@contextmanager
def _cancellation(*, is_handled: bool) -> Iterator[Callable[[], bool]]:
    """Turns Ctrl-C and SIGTERM into a flag, so that no transaction is torn; a second one acts at once."""
    if not is_handled or threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    received: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        if received:
            raise KeyboardInterrupt
        received.append(number)

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, note) for number in numbers]
    try:
        yield lambda: bool(received)
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
