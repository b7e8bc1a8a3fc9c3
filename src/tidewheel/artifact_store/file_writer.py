"""One pass over a value's bytes: hashed and written."""

from __future__ import annotations

import fcntl
import io
import os
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from tidewheel.core.digest import Hasher
from tidewheel.core.errors import StorageError

_BUFFER_BYTES = 1 << 20
_OVERLAP_FROM_BYTES = 8 << 20
_NEXT_STEPS = {
    "ENOSPC": "free some space, or move the workspace to a larger disk, then run again",
    "EDQUOT": "free some of your quota, then run again",
    "EFBIG": "raise the limit on file sizes (ulimit -f), then run again",
    "EROFS": "mount the file system writable, or choose another workspace",
}


def storage_error(what: str, error: OSError, path: Path) -> StorageError:
    """The same fact in Tidewheel's words: what could not be done, where, and what to do."""
    import errno

    code = errno.errorcode.get(error.errno or 0, "")
    reason = os.strerror(error.errno) if error.errno else str(error)
    step = _NEXT_STEPS.get(code, "make the folder writable for this user, or choose another workspace")
    told = StorageError(f"{what}: {reason}", where=str(path), next_step=step)
    told.errno = error.errno
    return told


class FileWriter(io.RawIOBase):
    """A binary stream into a new file that digests what passes.

    Small writes are gathered; a buffer of a megabyte or more is hashed in one parallel update and handed to the kernel
    as it is, without a copy, and a really large one is hashed while it is written. Errors of the disk come out as
    StorageError. The file is locked until it is closed or its writer dies, so that nobody takes it for a dead one's.

    Args:
        path: the file to create; it must not exist.
        kind: the kind of the digest.
    """

    def __init__(self, path: Path, kind: str) -> None:
        super().__init__()
        self._path = path
        self._hasher = Hasher(kind)
        self._pending = bytearray()
        self._written = 0
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        with suppress(OSError):  # a file system without locks: only its age tells that the file is in use
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def writable(self) -> bool:
        """Always true."""
        return True

    def tell(self) -> int:
        """Bytes taken so far."""
        return self._written + len(self._pending)

    def write(self, data: Any, /) -> int:
        """Takes all of the data, which must be contiguous."""
        view = memoryview(data).cast("B")
        if view.nbytes < _BUFFER_BYTES:
            self._pending += view
            if len(self._pending) >= _BUFFER_BYTES:
                self._drain()
        else:
            self._drain()
            self._put(view)
        return view.nbytes

    def finish(self) -> tuple[str, int]:
        """Writes what is left, makes the file read-only and closes it; returns digest and size in bytes."""
        self._drain()
        try:
            os.fchmod(self._fd, 0o444)
            os.utime(self._fd)  # without its lock it is young until it has its name, however long ago it was begun
        except OSError as error:
            raise storage_error("an artifact cannot be made read-only", error, self._path) from error
        self.close()
        return self._hasher.hexdigest(), self._written

    def close(self) -> None:
        """Closes the file; what was not drained is lost, as the file itself will be."""
        if not self.closed:
            super().close()
            os.close(self._fd)

    def _drain(self) -> None:
        if self._pending:
            pending, self._pending = self._pending, bytearray()
            self._put(memoryview(pending))

    def _put(self, view: memoryview) -> None:
        if view.nbytes < _OVERLAP_FROM_BYTES:
            self._hasher.update(view)
            self._hand_over(view)
            return
        hashing = threading.Thread(target=self._hasher.update, args=(view,))
        hashing.start()
        try:
            self._hand_over(view)
        finally:
            hashing.join()

    def _hand_over(self, view: memoryview) -> None:
        done = 0
        try:
            while done < view.nbytes:
                done += os.write(self._fd, view[done:])
        except OSError as error:
            raise storage_error("an artifact cannot be written", error, self._path.parent) from error
        self._written += done
