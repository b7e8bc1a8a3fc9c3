"""The attempts of a run that are under way: started, timed, repeated, ended."""

from __future__ import annotations

import heapq
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from tidewheel.artifact_store.file_writer import storage_error
from tidewheel.core.errors import StorageError
from tidewheel.core.records import Failure
from tidewheel.orchestrator.attempt import EXIT_STORAGE, REQUEST, WorkerReport, WorkerRequest
from tidewheel.orchestrator.fork_server import Exit
from tidewheel.pipeline import PlanNode

POLL_S = 0.25
"""The longest sleep, so that a request to cancel is seen soon."""


class Workers(Protocol):
    """Processes that carry out requests; see ForkServer."""

    def preload(self, packages: Sequence[str]) -> None: ...
    def start(self, key: str, folder: Path, log: Path) -> None: ...
    def kill(self, key: str) -> None: ...
    def wait(self, timeout_s: float | None) -> list[Exit]: ...
    def pid_of(self, key: str) -> int: ...
    def close(self) -> None: ...


class Attempt(msgspec.Struct):
    """One try at a node.

    Attributes:
        folder: holds request and report.
        deadline: monotonic time after which it is ended; None without a timeout, and while its worker is being forked.
    """

    node: PlanNode
    request: WorkerRequest
    folder: Path
    log: Path
    deadline: float | None = None
    is_late: bool = False

    @property
    def key(self) -> str:
        return f"{self.node.id}#{self.request.attempt}"


class Ended(msgspec.Struct, frozen=True):
    """An attempt that is over: with a report, or with the failure that left none."""

    attempt: Attempt
    exit: Exit
    report: WorkerReport | None
    failure: Failure | None


class Attempts:
    """Runs attempts side by side; the others wait in the order in which they came.

    Args:
        workers: carry them out.
        width: cores to fill: an attempt counts as often as its step's `cpu`. One that is wider runs alone.
    """

    def __init__(self, workers: Workers, width: int) -> None:
        self._workers = workers
        self._width = width
        self._running: dict[str, Attempt] = {}
        self._queue: list[tuple[float, int, Attempt]] = []
        self._count = 0

    def submit(self, attempt: Attempt, *, delay_s: float = 0.0) -> None:
        """Queues an attempt, for a repeated one after its backoff."""
        self._count += 1
        heapq.heappush(self._queue, (time.monotonic() + delay_s if delay_s else 0.0, self._count, attempt))

    def launch(self) -> Iterator[Attempt]:
        """Starts what may start now, and tells each.

        Raises:
            StorageError: a request cannot be written.
        """
        while self._queue and self._has_room() and self._queue[0][0] <= time.monotonic():
            attempt = heapq.heappop(self._queue)[2]
            try:
                attempt.folder.mkdir(parents=True, exist_ok=True)
                (attempt.folder / REQUEST).write_bytes(attempt.request.to_json())
            except OSError as error:
                raise storage_error(f"step {attempt.node.id!r} cannot be started", error, attempt.folder) from error
            self._running[attempt.key] = attempt
            yield attempt
            self._workers.start(attempt.key, attempt.folder, attempt.log)

    def wait(self) -> list[Ended]:
        """What ended; returns at the latest when the next deadline or repetition is due, or after `POLL_S`."""
        self._watch_time()
        pause = self._pause_s()
        if not self._running:
            if self._queue:
                time.sleep(pause)
            return []
        return [self._end(ended) for ended in self._workers.wait(pause) if ended.key in self._running]

    def cancel(self, grace_s: float) -> list[Ended]:
        """Ends everything that runs; what was just about to finish may still do so."""
        self._queue.clear()
        for key in self._running:
            self._workers.kill(key)
        until = time.monotonic() + grace_s
        ended: list[Ended] = []
        while self._running and time.monotonic() < until:
            ended += [self._end(one) for one in self._workers.wait(POLL_S) if one.key in self._running]
        return ended

    def pid_of(self, attempt: Attempt) -> int:
        """The worker's process id."""
        return self._workers.pid_of(attempt.key)

    def _pause_s(self) -> float:
        due = [attempt.deadline for attempt in self._running.values() if attempt.deadline is not None]
        if self._queue and self._has_room():
            due.append(self._queue[0][0])
        return max(0.0, min([POLL_S, *(moment - time.monotonic() for moment in due)]))

    def _has_room(self) -> bool:
        """Whether the first in the queue fits beside what runs."""
        taken = sum(attempt.node.options.cpu for attempt in self._running.values())
        return not taken or taken + self._queue[0][2].node.options.cpu <= self._width

    def _watch_time(self) -> None:
        """Ends what runs too long. The time counts from the fork: what the server does before it is not the step's."""
        now = time.monotonic()
        for key, attempt in self._running.items():
            limit_s = attempt.node.options.timeout_s
            if limit_s is None or attempt.is_late:
                continue
            if attempt.deadline is None and self._workers.pid_of(key):
                attempt.deadline = now + limit_s
            elif attempt.deadline is not None and attempt.deadline <= now:
                attempt.is_late = True
                attempt.deadline = None
                self._workers.kill(key)

    def _end(self, ended: Exit) -> Ended:
        attempt = self._running.pop(ended.key)
        report = WorkerReport.find(attempt.folder)
        if report is not None:
            return Ended(attempt, ended, report, report.failure)
        return Ended(attempt, ended, None, _failure_of(attempt, ended))


def _storage_failure(attempt: Attempt) -> Failure:
    error = StorageError(
        f"step {attempt.node.id!r} could not write to the workspace",
        where=str(attempt.folder),
        next_step=f"make room there, or make it writable, then `tidewheel resume {attempt.request.run_id}`",
    )
    return Failure(kind="storage", message=str(error), is_retryable=False)


def _failure_of(attempt: Attempt, ended: Exit) -> Failure:
    node = attempt.node.id
    if attempt.is_late:
        limit_s = attempt.node.options.timeout_s
        return Failure(kind="timeout", message=f"step {node!r} ran longer than its timeout of {limit_s:g} s")
    if ended.code == EXIT_STORAGE:
        return _storage_failure(attempt)
    if ended.code < 0:
        return Failure(kind="killed", message=f"the worker of step {node!r} was killed by signal {-ended.code}")
    return Failure(kind="exited", message=f"step {node!r} exited with code {ended.code} and no result")
