"""Processes whose parent died: adopted, so that none outlives the run that started it."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36  # <linux/prctl.h>


def adopt_orphans() -> None:
    """Makes this process the parent of every descendant that loses its own, also of one with its own session.

    Linux only; elsewhere what leaves a worker's process group is out of reach.
    """
    if sys.platform != "linux":
        return
    import ctypes

    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_children() -> None:
    """Kills all children of this single-threaded process, then those that so become its children, until none is."""
    while children := _children():
        for pid in children:
            os.kill(pid, signal.SIGKILL)  # not reaped yet, so the number is still theirs
        for pid in children:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)


def _children() -> list[int]:
    try:
        return [int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]
    except FileNotFoundError:  # another system, or a kernel without this list
        return []
