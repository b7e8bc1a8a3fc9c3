"""The fork server's process: forks a warm worker for every line that it reads.

It is single-threaded and calls no library after its imports, so a fork copies a quiet process. Commands come as JSON
lines on standard input, exits go as JSON lines to standard output. When its input ends, its orchestrator is gone: it
kills what runs and ends. Each worker holds the read end of a pipe whose only write end is here, so that it ends itself
when this process is killed.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import selectors
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec

from tidewheel.orchestrator.attempt import EXIT_STORAGE
from tidewheel.orchestrator.orphans import adopt_orphans, end_children

RunRequest = Callable[[Path], int]
"""Carries out the attempt in a folder and returns the process's exit code."""

EXIT_UNKNOWN = 70
"""Exit code of a worker that raised where nothing should (`EX_SOFTWARE` of sysexits.h)."""

FORKABLE = ("numpy", "pyarrow", "pandas", "scipy", "sklearn", "lightgbm", "matplotlib", "skops")
"""Tried: forked after import they fit and compute without a hang. polars, gRPC and onnxruntime are not among them."""

WARM_MODULES = {
    "sklearn": ("sklearn.base", "sklearn.ensemble", "sklearn.linear_model", "sklearn.pipeline", "sklearn.metrics"),
    "scipy": ("scipy.stats",),
    "pyarrow": ("pyarrow", "pyarrow.parquet"),
    "skops": ("skops.io",),  # imports all of scikit-learn: a second for each worker that stores or loads a model
}


def preload(packages: Iterable[str]) -> None:
    """Imports packages of the allow-list; a missing one is the worker's business to report."""
    for package in FORKABLE:
        if package not in packages:
            continue
        for module in WARM_MODULES.get(package, (package,)):
            try:
                importlib.import_module(module)
            except ImportError:
                break
    gc.freeze()  # keeps the collector from touching, and so copying, shared pages in the workers


def serve(run_request: RunRequest, packages: Iterable[str]) -> None:
    """Serves commands until standard input ends."""
    preload(packages)
    _ForkLoop(run_request).serve()


class _ForkLoop:
    def __init__(self, run_request: RunRequest) -> None:
        self._run_request = run_request
        self._commands = os.dup(0)
        self._replies = os.dup(1)
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 0)
        os.dup2(2, 1)
        self._lifeline, self._lifeline_end = os.pipe()
        self._woken, self._wake = os.pipe()
        for descriptor in (self._woken, self._wake, self._commands):
            os.set_blocking(descriptor, False)
        self._keys: dict[int, str] = {}
        self._buffer = b""

    def serve(self) -> None:
        adopt_orphans()
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        with selectors.DefaultSelector() as selector, contextlib.suppress(BrokenPipeError):  # nobody reads replies
            selector.register(self._commands, selectors.EVENT_READ)
            selector.register(self._woken, selectors.EVENT_READ)
            while True:
                ready = {key.fd for key, _ in selector.select()}
                if self._woken in ready:
                    os.read(self._woken, 4096)
                    self._reap()
                if self._commands in ready and not self._read_commands():
                    break
        for pid in self._keys:
            _kill_worker(pid, signal.SIGKILL)
        end_children()

    def _read_commands(self) -> bool:
        data = os.read(self._commands, 1 << 16)
        self._buffer += data
        *lines, self._buffer = self._buffer.split(b"\n")
        for line in lines:
            self._obey(msgspec.json.decode(line))
        return bool(data)

    def _obey(self, command: dict[str, Any]) -> None:
        if "kill" in command:
            for pid, key in self._keys.items():
                if key == command["kill"]:
                    _kill_worker(pid, command["signal"])
            return
        if "preload" in command:
            preload(command["preload"])
            return
        pid = os.fork()
        if pid == 0:
            self._become_worker(Path(command["folder"]), command["log"])
        self._keys[pid] = command["start"]
        self._reply({"key": command["start"], "pid": pid})

    def _reap(self) -> None:
        while self._keys:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            key = self._keys.pop(pid, None)
            if key is None:
                continue
            _kill_group(pid, signal.SIGKILL)  # what the step itself started
            self._reply(
                {
                    "key": key,
                    "pid": pid,
                    "code": os.waitstatus_to_exitcode(status),
                    "cpu_s": usage.ru_utime + usage.ru_stime,
                    "peak_memory_bytes": usage.ru_maxrss * 1024,
                }
            )

    def _reply(self, message: dict[str, Any]) -> None:
        os.write(self._replies, msgspec.json.encode(message) + b"\n")

    def _become_worker(self, folder: Path, log: str) -> None:
        code = EXIT_UNKNOWN
        try:
            os.setsid()
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            for descriptor in (self._commands, self._replies, self._woken, self._wake, self._lifeline_end):
                os.close(descriptor)
            output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            os.dup2(output, 1)
            os.dup2(output, 2)
            os.close(output)
            threading.Thread(target=_end_with, args=(self._lifeline,), daemon=True).start()
            code = self._run_request(folder)
        except BaseException as error:
            code = EXIT_STORAGE if isinstance(error, OSError) else EXIT_UNKNOWN
            traceback.print_exc()
        finally:
            try:
                sys.stdout.flush()
                sys.stderr.flush()
            finally:
                os._exit(code)


def _end_with(lifeline: int) -> None:
    """Ends the worker and all that it started once nobody holds the other end of the pipe."""
    os.read(lifeline, 1)
    os.killpg(0, signal.SIGKILL)


def _kill_worker(pid: int, number: int) -> None:
    """Signals a worker that was not reaped yet, with all that it started."""
    try:
        os.killpg(pid, number)
    except ProcessLookupError:  # forked a moment ago, it leads no group yet and has started nothing
        os.kill(pid, number)
    except PermissionError:
        return


def _kill_group(pid: int, number: int) -> None:
    try:
        os.killpg(pid, number)
    except (ProcessLookupError, PermissionError):
        return
