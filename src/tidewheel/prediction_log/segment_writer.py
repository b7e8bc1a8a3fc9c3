"""Appends answered requests to a segment file, before the answer leaves."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Sequence
from pathlib import Path

from tidewheel.core.errors import StorageError
from tidewheel.core.identifier import new_id
from tidewheel.core.records import Prediction
from tidewheel.prediction_log.answered_index import Answered, AnsweredIndex, answered_of

OPEN_SUFFIX = ".open.jsonl"
CLOSED_SUFFIX = ".jsonl"


class SegmentWriter:
    """Writes predictions as JSON lines; one thread uses it.

    What `append` returned from is in the file, whatever kills the process after it (a power cut can take the last
    seconds). The open segment is locked, so that others can tell whether its writer lives.

    Args:
        folder: where segments are.
        maximum_rows: a segment is closed when it holds so many.
    """

    def __init__(self, folder: Path, *, maximum_rows: int) -> None:
        self._folder = folder
        self._maximum_rows = maximum_rows
        self._descriptor = -1
        self._path = Path()
        self._rows: list[Prediction] = []
        self._index = AnsweredIndex(folder)
        self._recent: dict[tuple[str, str], Prediction] = {}  # of the segments that the index does not have

    def find(self, model: str, ids: Sequence[str]) -> dict[str, Answered]:
        """The recorded answers to those of the ids that were answered before, by whichever process.

        Raises:
            StorageError: the index cannot be read.
        """
        recent = {name: answered_of(self._recent[model, name]) for name in ids if (model, name) in self._recent}
        rest = [name for name in ids if name not in recent]
        return recent | (self._index.find(model, rest) if rest else {})

    def append(self, predictions: Sequence[Prediction]) -> None:
        """Writes all rows of one request, or none.

        Raises:
            StorageError: the disk refused; nothing of the request is in the log.
        """
        if self._descriptor < 0:
            self._open()
        data = b"".join(prediction.to_json() + b"\n" for prediction in predictions)
        end = os.lseek(self._descriptor, 0, os.SEEK_END)
        try:
            written = os.write(self._descriptor, data)
            if written < len(data):
                raise OSError(28, "the disk took a part of the request")
        except OSError as error:
            os.ftruncate(self._descriptor, end)
            raise StorageError(
                f"the prediction log cannot be written: {error.strerror}",
                where=str(self._folder),
                next_step="free some space; the request was not answered",
            ) from error
        self._rows += predictions
        self._recent.update({(one.model, one.id): one for one in predictions})
        if len(self._rows) >= self._maximum_rows:
            self.close_segment()

    def close_segment(self) -> None:
        """Closes the segment, so that it can be moved; an empty one vanishes. The next request begins another."""
        if self._descriptor < 0:
            return
        closed = self._path.with_name(self._path.name.removesuffix(OPEN_SUFFIX) + CLOSED_SUFFIX)
        if self._rows:
            self._enter(self._path.name.removesuffix(OPEN_SUFFIX))
            os.fsync(self._descriptor)
            os.rename(self._path, closed)
        else:
            self._path.unlink()
        os.close(self._descriptor)
        self._descriptor, self._rows = -1, []

    def _enter(self, segment: str) -> None:
        """Whoever moves the segment enters it too, so a full disk now costs memory only."""
        try:
            self._index.add(segment, self._rows)
        except StorageError:
            return
        for one in self._rows:
            self._recent.pop((one.model, one.id), None)

    def _open(self) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._path = self._folder / f"{new_id()}{OPEN_SUFFIX}"
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise StorageError(
                f"the prediction log cannot be written: {error.strerror}", where=str(self._folder)
            ) from error
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        if not os.fstat(self._descriptor).st_nlink:  # a `recover` took it for a dead writer's before it was locked
            os.close(self._descriptor)
            self._descriptor = -1
            self._open()
