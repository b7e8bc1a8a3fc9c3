"""The orchestrator's handle on its fork server."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from tidewheel.core.threads import thread_variables

CLOSE_TIMEOUT_S = 30.0
"""The server ends its workers' children on its way out; one that is killed before that leaves them behind."""


class Exit(msgspec.Struct, frozen=True):
    """How a worker process ended.

    Attributes:
        key: the attempt, as it was named at `start`.
        code: exit code; negative is the signal that killed it.
        cpu_s: user and system time, in seconds.
        peak_memory_bytes: largest resident set.
    """

    key: str
    pid: int
    code: int
    cpu_s: float = 0.0
    peak_memory_bytes: int = 0


class ForkServer:
    """Starts warm worker processes; the process behind it is fresh, with a fixed hash seed.

    Not thread-safe: one orchestrator owns it. If the process behind it dies, its workers die with it and `wait` reports
    each of them as killed; the next `start` brings up a new one.

    Args:
        worker_module: the module that is run with `-m`, as its own layer names it.
    """

    def __init__(self, worker_module: str) -> None:
        self._command = [sys.executable, "-m", worker_module, "fork-server"]
        self._packages: tuple[str, ...] = ()
        self._process: subprocess.Popen[bytes] | None = None
        self._has_forked = False
        self._running: dict[str, int] = {}
        self._buffer = b""

    def warm(self) -> None:
        """Brings up the process behind it, so that it imports while its owner does something else."""
        if self._process is None:
            self._process = begin_process([*self._command, *self._packages])
            self._has_forked = False

    def preload(self, packages: Sequence[str]) -> None:
        """Names heavy packages that are imported once, before the next worker is forked."""
        self._packages = tuple(packages)
        if self._process is not None and packages:
            self._send({"preload": self._packages})

    def start(self, key: str, folder: Path, log: Path) -> None:
        """Starts a worker on the request in `folder`; its output is appended to `log`."""
        self._running[key] = 0
        self.warm()
        self._has_forked = True
        self._send({"start": key, "folder": str(folder), "log": str(log)})

    def kill(self, key: str, number: signal.Signals = signal.SIGKILL) -> None:
        """Sends a signal to a worker and everything it started."""
        if key in self._running:
            self._send({"kill": key, "signal": int(number)})

    def wait(self, timeout_s: float | None) -> list[Exit]:
        """The workers that ended; returns early with none when the time is over."""
        if self._process is None or self._process.stdout is None:
            return self._lost()
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            if not selector.select(timeout_s):
                return []
        data = os.read(self._process.stdout.fileno(), 1 << 16)
        if not data:
            return self._lost()
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        return [ended for line in lines if (ended := self._note(msgspec.json.decode(line)))]

    def pid_of(self, key: str) -> int:
        """The worker's process id, 0 while it is being forked."""
        return self._running.get(key, 0)

    def close(self) -> None:
        """Ends the server and every worker; the next `start` brings up a new one."""
        process, self._process = self._process, None
        if process is None:
            return
        end_process(process, has_forked=self._has_forked)

    def _note(self, message: dict[str, Any]) -> Exit | None:
        if "code" in message:
            self._running.pop(message["key"], None)
            return msgspec.convert(message, Exit)
        if message["key"] in self._running:
            self._running[message["key"]] = message["pid"]
        return None

    def _lost(self) -> list[Exit]:
        self.close()
        self._buffer = b""
        lost = [Exit(key, pid, -signal.SIGKILL) for key, pid in self._running.items()]
        self._running.clear()
        return lost

    def _send(self, command: dict[str, Any]) -> None:
        self.warm()
        assert self._process is not None
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # its death is reported by `wait`
            self._process.stdin.write(msgspec.json.encode(command) + b"\n")
            self._process.stdin.flush()


def begin_process(command: Sequence[str]) -> subprocess.Popen[bytes]:
    """The process behind a server, in a session of its own: Ctrl-C reaches the orchestrator, which ends the rest."""
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=_environment(), start_new_session=True
    )


def end_process(process: subprocess.Popen[bytes], *, has_forked: bool = True) -> None:
    """Ends the process behind a server, and every worker with it; one that has forked none need not finish imports."""
    if not has_forked:
        process.kill()
    with contextlib.suppress(BrokenPipeError):
        if process.stdin:
            process.stdin.close()
    try:
        process.wait(timeout=CLOSE_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout:
        process.stdout.close()


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONHASHSEED": "0", "PYTHONUNBUFFERED": "1", **thread_variables(1)}
