"""The segment files of a prediction log."""

from __future__ import annotations

import fcntl
import os
from contextlib import closing
from pathlib import Path

import msgspec

from tidewheel.core.records import Prediction
from tidewheel.prediction_log.answered_index import AnsweredIndex
from tidewheel.prediction_log.segment_writer import CLOSED_SUFFIX, OPEN_SUFFIX

DAMAGED_SUFFIX = ".bad"


def closed_segments(folder: Path) -> list[Path]:
    """Segments that are complete, the oldest first."""
    return sorted(path for path in folder.glob(f"*{CLOSED_SUFFIX}") if not path.name.endswith(OPEN_SUFFIX))


def unmoved_segments(folder: Path) -> set[str]:
    """The ids of all segments that the folder holds: open, closed, or set aside as damaged."""
    suffixes = (OPEN_SUFFIX, CLOSED_SUFFIX, DAMAGED_SUFFIX)
    return {segment_id(path) for path in folder.iterdir() if path.name.endswith(suffixes)}


def recover(folder: Path) -> list[Path]:
    """Closes the open segments of dead writers; a last line that was torn was never answered and is cut off."""
    return [closed for path in sorted(folder.glob(f"*{OPEN_SUFFIX}")) if (closed := _recover(path)) is not None]


def read_segment(path: Path) -> list[Prediction]:
    """A closed segment's rows.

    Raises:
        DecodeError: a line is no prediction.
        FileNotFoundError: it was moved meanwhile.
    """
    return [Prediction.from_json(line) for line in path.read_bytes().splitlines()]


def enter_segments(folder: Path) -> None:
    """Makes every answer of dead writers known, before a new one begins.

    Raises:
        StorageError: the index cannot be written.
    """
    recover(folder)
    with closing(AnsweredIndex(folder)) as index:
        for path in closed_segments(folder):
            try:
                rows = read_segment(path)
            except (FileNotFoundError, msgspec.DecodeError):  # moved, and so entered; or damaged, which the mover tells
                continue
            index.add(segment_id(path), rows)


def segment_id(path: Path) -> str:
    """A segment's name, which it keeps."""
    return path.name.split(".")[0]


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
