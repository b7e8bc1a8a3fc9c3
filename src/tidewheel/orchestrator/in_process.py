"""Workers for `--debug`: the step runs in this process, so a debugger can stop in it."""

from __future__ import annotations

import importlib
import os
import resource
import signal
from collections.abc import Sequence
from pathlib import Path

from tidewheel.orchestrator.fork_server import Exit


class InProcessWorkers:
    """Has the methods of ForkServer; `start` returns when the step has ended.

    There is no isolation: time-outs do not apply, output goes to the terminal, and a step that exits ends everything.
    """

    def __init__(self, worker_module: str) -> None:
        self._module = worker_module
        self._ended: list[Exit] = []

    def preload(self, packages: Sequence[str]) -> None:
        """Does nothing: a step imports what it needs."""

    def start(self, key: str, folder: Path, log: Path) -> None:
        """Runs the request in `folder` to its end."""
        before = resource.getrusage(resource.RUSAGE_SELF)
        code = importlib.import_module(self._module).run_request(folder, is_fresh=False)
        after = resource.getrusage(resource.RUSAGE_SELF)
        cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        self._ended.append(Exit(key, os.getpid(), code, cpu_s, after.ru_maxrss * 1024))

    def wait(self, timeout_s: float | None) -> list[Exit]:
        """The steps that ended since the last call."""
        ended, self._ended = self._ended, []
        return ended

    def kill(self, key: str, number: signal.Signals = signal.SIGKILL) -> None:
        """Does nothing: what has started here has ended."""

    def pid_of(self, key: str) -> int:
        """This process."""
        return os.getpid()

    def close(self) -> None:
        """Does nothing."""
