"""Processes as tests need them: whether they live, and waiting for a condition."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import psutil


def wait_until(condition: Callable[[], object], timeout_s: float = 120.0) -> None:
    """Returns once the condition holds; fails the test when it does not in time."""
    until = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < until, f"still not true after {timeout_s:g} s: {condition}"
        time.sleep(0.005)


def is_running(pid: int) -> bool:
    """Whether the process does or holds anything any more; one that only waits to be reaped does not.

    Its files and locks are held until its last thread is gone, which may be later than its first one.
    """
    try:
        process = psutil.Process(pid)
        return process.status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD) or process.num_threads() > 1
    except psutil.NoSuchProcess:
        return False


def running_children(*, recursive: bool = False) -> set[int]:
    """Of this process; among them the tracker that `multiprocessing` starts once and keeps, when a test needed it."""
    return {one.pid for one in psutil.Process().children(recursive=recursive) if is_running(one.pid)}


def processes_in(folder: Path) -> list[str]:
    """The processes whose working directory, command or environment names the folder, each as pid and command."""
    found = []
    for process in psutil.process_iter():
        if process.pid == os.getpid():
            continue
        try:
            with process.oneshot():
                places = [process.cwd(), *process.cmdline(), *process.environ().values()]
                said = f"{process.pid} {' '.join(process.cmdline()[:4])}"
        except (psutil.NoSuchProcess, psutil.AccessDenied):  # it ended while it was looked at
            continue
        if any(str(folder) in place for place in places) and is_running(process.pid):
            found.append(said)
    return found
