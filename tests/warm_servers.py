"""Processes of fork servers that serve one test after another.

Each workspace brings up a fork server of its own, and its workers import pandas, scikit-learn and pandera again: three
seconds of processor time, in hundreds of tests. Here an idle process is handed on instead, which has imported them
before its first fork. Its workers are as fresh as ever, since each is forked for one request.

It is a plugin of pytest: `-p warm_servers`, where the folder of this file is on the path.
"""

from __future__ import annotations

import os
import select
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence

import psutil
import pytest

from tidewheel.orchestrator import fork_server
from tidewheel.workspace.warm_server import WORKER_MODULE

KEPT = 2
"""How many idle processes are kept: some tests run two workspaces at once."""

LIBRARIES = (
    "pandera.pandas",
    "sklearn.compose",
    "sklearn.preprocessing",
    "tidewheel.pipeline",
    "tidewheel.steps.data_validation",
    "tidewheel.steps.model_packaging",
    "tidewheel.steps.model_validation",
    "tidewheel.steps.pandera_checks",
    "tidewheel.workspace.describe",
)
PROGRAM = f"""
import importlib, sys
from tidewheel.orchestrator.fork_loop import FORKABLE, preload
preload(FORKABLE)
for name in {LIBRARIES!r}:
    importlib.import_module(name)
from tidewheel.workspace.worker import main
main(sys.argv[1:])
"""
_OF_ONE_TEST = ("PYTEST_CURRENT_TEST",)


class WarmServers:
    """Takes the place of `begin_process` and `end_process` of the fork server.

    A process is handed on when the environment is the one that it was started in, when nothing that it forked lives,
    and when nothing it said is unread; every other is ended as ever. So is the process of an environment that one test
    made for itself: only one that comes again is worth the imports.
    """

    def __init__(self) -> None:
        self._begin = fork_server.begin_process
        self._end = fork_server.end_process
        self._idle: list[subprocess.Popen[bytes]] = []
        self._known: dict[int, dict[str, str]] = {}
        self._seen: list[dict[str, str]] = []
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self._home = tempfile.TemporaryDirectory(prefix="tw-warm-")

    def begin(self, command: Sequence[str]) -> subprocess.Popen[bytes]:
        if WORKER_MODULE not in command or os.getpid() != self._pid:
            return self._begin(command)
        environment = _environment()
        with self._lock:
            for process in self._idle:
                if self._known[process.pid] == environment:
                    self._idle.remove(process)
                    if _is_quiet(process):
                        return process
                    self._end_for_good(process)
                    break
            is_lasting = environment in self._seen or not self._seen
            if environment not in self._seen:
                self._seen.append(environment)
        if not is_lasting:
            return self._begin(command)
        process = self._begin([command[0], "-c", f"import os; os.chdir({self._home.name!r}){PROGRAM}", "fork-server"])
        self._known[process.pid] = environment
        return process

    def end(self, process: subprocess.Popen[bytes], *, has_forked: bool = True) -> None:
        if os.getpid() == self._pid and process.pid in self._known and _is_quiet(process):
            with self._lock:
                self._idle.append(process)
                if len(self._idle) <= KEPT:
                    return
                process, has_forked = self._idle.pop(0), True
        self._end_for_good(process, has_forked=has_forked)

    def close(self) -> None:
        """Ends what is kept."""
        while self._idle:
            self._end_for_good(self._idle.pop())
        self._home.cleanup()

    def _end_for_good(self, process: subprocess.Popen[bytes], *, has_forked: bool = True) -> None:
        self._known.pop(process.pid, None)
        self._end(process, has_forked=has_forked)

    @property
    def idle_pids(self) -> set[int]:
        """The processes that are kept."""
        with self._lock:
            return {process.pid for process in self._idle}

    @property
    def replacements(self) -> dict[str, Callable[..., object]]:
        """What to set in the fork server's module, by name."""
        return {"begin_process": self.begin, "end_process": self.end}


@pytest.fixture(scope="session", autouse=True)
def warm_servers() -> Iterator[WarmServers]:
    """Workspaces of this process hand on the processes of their fork servers."""
    servers = WarmServers()
    with pytest.MonkeyPatch.context() as patch:
        for name, replacement in servers.replacements.items():
            patch.setattr(fork_server, name, replacement)
        yield servers
    servers.close()


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in _OF_ONE_TEST}


def _is_quiet(process: subprocess.Popen[bytes]) -> bool:
    if process.poll() is not None or process.stdout is None or select.select([process.stdout], [], [], 0)[0]:
        return False
    return not psutil.Process(process.pid).children()
