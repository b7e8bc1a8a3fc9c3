"""The segment files of a prediction log."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from tidewheel.prediction_log.segment_writer import CLOSED_SUFFIX, OPEN_SUFFIX


def closed_segments(folder: Path) -> list[Path]:
    """Segments that are complete, the oldest first."""
    return sorted(path for path in folder.glob(f"*{CLOSED_SUFFIX}") if not path.name.endswith(OPEN_SUFFIX))


def recover(folder: Path) -> list[Path]:
    """Closes the open segments of dead writers; a last line that was torn was never answered and is cut off."""
    return [closed for path in sorted(folder.glob(f"*{OPEN_SUFFIX}")) if (closed := _recover(path)) is not None]


def _recover(path: Path) -> Path | None:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not path.exists():  # its writer closed it a moment ago
            return None
        whole = path.read_bytes().rfind(b"\n") + 1
        os.ftruncate(descriptor, whole)
        if not whole:
            path.unlink()
            return None
        closed = path.with_name(path.name.removesuffix(OPEN_SUFFIX) + CLOSED_SUFFIX)
        os.rename(path, closed)
        return closed
    except BlockingIOError:  # its writer lives
        return None
    finally:
        os.close(descriptor)
