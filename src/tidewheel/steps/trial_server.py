"""The process behind a search: `python -m tidewheel.steps.trial_server FOLDER`; forks a process for each trial.

It is fresh, so a trial does not depend on what the step or the notebook had loaded, drawn or started before: a fork of
a process that has used OpenMP can hang. Commands come as JSON lines on standard input, exits go as JSON lines to
standard output. When its input ends, it kills what runs and ends; a trial dies with this process.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import os
import pickle
import resource
import selectors
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

from tidewheel.steps.trial import PRUNING_FROM, Task

WORK, HEAD = "work.pickle", "head.json"
EXIT_NO_WORK = 71
_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def main(folder: Path) -> None:
    """Loads the work, says so, and serves."""
    head = json.loads((folder / HEAD).read_text())
    sys.path[:] = head["path"]
    replies = os.dup(1)
    os.dup2(2, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a notebook reaches the one who waits, who ends this one
    try:
        # Written by the process that started this one, into a folder that nobody else can write to.
        work = pickle.loads((folder / WORK).read_bytes())
    except BaseException:
        traceback.print_exc()
        os.write(replies, json.dumps({"refused": traceback.format_exc(limit=0).strip()}).encode() + b"\n")
        os._exit(EXIT_NO_WORK)
    gc.collect()
    gc.freeze()  # keeps the collector from touching, and so copying, shared pages in the trials
    _Server(work, head, replies).serve()
    os._exit(0)


class _Server:
    def __init__(self, work: Any, head: dict[str, Any], replies: int) -> None:
        self._work = work
        self._head = head
        self._replies = replies
        self._running: dict[int, int] = {}
        self._buffer = b""
        self._woken, self._wake = os.pipe()
        for descriptor in (0, self._woken, self._wake):
            os.set_blocking(descriptor, False)

    def serve(self) -> None:
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wake)
        self._reply({"ready": os.getpid()})
        with selectors.DefaultSelector() as selector, contextlib.suppress(BrokenPipeError):
            selector.register(0, selectors.EVENT_READ)
            selector.register(self._woken, selectors.EVENT_READ)
            while True:
                ready = {key.fd for key, _ in selector.select()}
                if self._woken in ready:
                    os.read(self._woken, 4096)
                    self._reap()
                if 0 in ready and not self._read_commands():
                    break
        for pid in self._running:
            _kill(pid)

    def _read_commands(self) -> bool:
        data = os.read(0, 1 << 20)
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            command = json.loads(line)
            if "kill" in command:
                for pid, number in self._running.items():
                    if number == command["kill"]:
                        _kill(pid)
            else:
                self._fork(command)
        return bool(data)

    def _fork(self, command: dict[str, Any]) -> None:
        task = Task.from_json(command["task"])
        if len(task.history) >= PRUNING_FROM:
            import tidewheel.steps.optuna_search  # noqa: F401 (else each trial that reports would import it)
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            self._become_trial(task, parent)
        self._running[pid] = task.number
        self._reply({"number": task.number, "pid": pid})

    def _reap(self) -> None:
        while self._running:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            number = self._running.pop(pid, None)
            if number is not None:
                self._reply({"number": number, "code": os.waitstatus_to_exitcode(status)})

    def _reply(self, message: dict[str, Any]) -> None:
        os.write(self._replies, json.dumps(message).encode() + b"\n")

    def _become_trial(self, task: Task, parent: int) -> None:
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.close(self._replies)
            _die_with(parent)
            _limit_memory(self._head["memory_bytes"])
            self._work.carry_out(task).write(Path(self._head["records"]), task.number)
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            with contextlib.suppress(OSError, ValueError):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)


def _die_with(parent: int) -> None:
    """The kernel ends this process when its parent is gone, also one that hangs in foreign code. Linux only."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)
    with contextlib.suppress(OSError):  # when memory is short, a trial goes first and not the whole search
        Path("/proc/self/oom_score_adj").write_text("1000")


def _limit_memory(limit_bytes: int | None) -> None:
    """What the trial may take beyond what it shares with this process."""
    if limit_bytes is None:
        return
    taken = 0
    with contextlib.suppress(FileNotFoundError):
        status = Path("/proc/self/status").read_text()
        taken = next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmData:"))
    resource.setrlimit(resource.RLIMIT_DATA, (taken + limit_bytes, taken + limit_bytes))


def _kill(pid: int) -> None:
    """Ends a trial and what it has started."""
    import psutil

    with contextlib.suppress(psutil.NoSuchProcess):
        trial = psutil.Process(pid)
        for process in (*trial.children(recursive=True), trial):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
