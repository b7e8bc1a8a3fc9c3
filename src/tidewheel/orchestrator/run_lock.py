"""Tells whether a run's orchestrator lives, whatever became of its process id."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from tidewheel.artifact_store.file_writer import storage_error

_NAME = "orchestrator.lock"


class RunLock:
    """Held by the orchestrator of a run for as long as its process exists; the kernel frees it on any death.

    Raises:
        StorageError: on entering, when the folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / _NAME

    def __enter__(self) -> Self:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise storage_error("a run cannot be started", error, self._path.parent) from error
        fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)


def is_alive(folder: Path) -> bool:
    """Whether some process holds the lock of the run in `folder`."""
    try:
        descriptor = os.open(folder / _NAME, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
