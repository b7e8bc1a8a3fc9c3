"""Trials in processes of their own: what crashes, hangs or eats memory there is one failed trial."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import cloudpickle

from tidewheel.core.errors import StepError
from tidewheel.core.threads import thread_variables
from tidewheel.steps.trial import Task, TrialRecord
from tidewheel.steps.trial_server import HEAD, WORK
from tidewheel.steps.trial_work import TrialWork

_MEGABYTE = 1_000_000


class TrialProcesses:
    """Carries out batches of trials. Use it in a `with` block, at the end of which nothing of it runs any more.

    Args:
        work: what trials share; it goes to a fresh process once, and from there to each trial by fork.
        workers: trials at a time.
        timeout_s: a trial that runs longer has failed.
        memory_bytes: what a trial may take beyond the rows; None for no limit.
    """

    def __init__(self, work: TrialWork, *, workers: int, timeout_s: float, memory_bytes: int | None) -> None:
        self._work = work
        self._workers = workers
        self._timeout_s = timeout_s
        self._memory_bytes = memory_bytes
        self._place: tempfile.TemporaryDirectory[str] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._buffer = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(BrokenPipeError, OSError):
                assert process.stdin is not None
                process.stdin.close()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            assert process.stdout is not None
            process.stdout.close()
        if self._place is not None:
            self._place.cleanup()

    def run(self, tasks: Sequence[Task]) -> dict[int, TrialRecord]:
        """The records of these trials, by number; each is kept in the scratch folder as soon as its trial ended.

        Raises:
            StepError: the training function cannot be taken to another process, or that process ended.
        """
        if tasks and self._process is None:
            self._start()
        waiting = list(tasks)
        running: dict[int, Task] = {}
        deadlines: dict[int, float] = {}
        records: dict[int, TrialRecord] = {}
        late: set[int] = set()
        while waiting or running:
            while waiting and len(running) < self._workers:
                task = waiting.pop(0)
                running[task.number] = task
                self._send({"task": task.to_json().decode()})
            for message in self._read(min(deadlines.values(), default=None)):
                number = message["number"]
                if "pid" in message:
                    deadlines[number] = time.monotonic() + self._timeout_s
                elif number in running:
                    deadlines.pop(number, None)
                    records[number] = self._record(running.pop(number), message["code"], is_late=number in late)
            for number in [one for one, moment in deadlines.items() if moment <= time.monotonic()]:
                late.add(number)
                deadlines.pop(number)
                self._send({"kill": number})
        return records

    def _record(self, task: Task, code: int, *, is_late: bool) -> TrialRecord:
        found = TrialRecord.find(self._work.scratch, task.number)
        if found is not None and found.key == task.key:
            return found
        if is_late:
            reason = f"it ran longer than its timeout of {self._timeout_s:g} s"
        elif code < 0:
            reason = f"it was killed by signal {-code} ({signal.Signals(-code).name})"
            if self._memory_bytes:
                reason += f", perhaps at its limit of {self._memory_bytes // _MEGABYTE:,} MB"
        else:
            reason = f"it exited with code {code} and no result"
        record = TrialRecord(key=task.key, state="failed", reason=reason)
        record.write(self._work.scratch, task.number)
        return record

    def _start(self) -> None:
        self._place = tempfile.TemporaryDirectory(prefix="tidewheel-trials-")
        folder = Path(self._place.name)
        try:
            (folder / WORK).write_bytes(cloudpickle.dumps(self._work, protocol=5))
        except Exception as error:
            raise StepError(
                f"the training function cannot be taken to another process: {error}",
                next_step="let `fit` and `score` be functions that hold no open file, connection or lock",
            ) from error
        head = {"path": sys.path, "records": str(self._work.scratch), "memory_bytes": self._memory_bytes}
        (folder / HEAD).write_text(json.dumps(head))
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "tidewheel.steps.trial_server", str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **thread_variables(self._work.cpu), "PYTHONHASHSEED": "0", "PYTHONUNBUFFERED": "1"},
        )
        heard: list[dict[str, Any]] = []
        while not heard:
            heard = self._read(None)
        if "refused" in heard[0]:
            raise StepError(
                f"the training function cannot be used in another process: {heard[0]['refused'].splitlines()[-1]}",
                next_step="let `fit` and `score` be functions of a module that can be imported, or of the notebook",
            )

    def _send(self, command: dict[str, Any]) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(command).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise _server_ended() from None

    def _read(self, until: float | None) -> list[dict[str, Any]]:
        """What the server says next; nothing when the time is over."""
        assert self._process is not None
        assert self._process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            if not selector.select(None if until is None else max(0.0, until - time.monotonic())):
                return []
        data = os.read(self._process.stdout.fileno(), 1 << 16)
        if not data:
            raise _server_ended()
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        return [json.loads(line) for line in lines]


def _server_ended() -> StepError:
    return StepError("the process behind the trials ended", next_step="look at the step's log")
