"""One file of the file system."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any, BinaryIO

from tidewheel.core.errors import ParameterError

_CHUNK_BYTES = 8 << 20


class FileCodec:
    """Stores the content that a `pathlib.Path` names; gives the path of the stored, read-only file back.

    The name is kept in the summary, never in the bytes: two files of equal content are one artifact.
    """

    name = "file"
    version = 1

    def encode(self, value: Any, stream: BinaryIO) -> dict[str, Any]:
        """Copies the file.

        Raises:
            ParameterError: the path names no readable file.
        """
        path = Path(value)
        if path.is_dir():
            raise ParameterError(
                f"{str(path)!r} is a directory, not a file",
                next_step="return one file: pack the directory into an archive, or return its files one by one",
            )
        try:
            source = open(path, "rb")  # noqa: SIM115 - the errors of reading and of writing must not be confused
        except OSError as error:
            reason = os.strerror(error.errno or errno.EIO)
            raise ParameterError(
                f"file {str(path)!r} cannot be read: {reason}", next_step="return the path of a file that exists"
            ) from error
        with source:
            while chunk := source.read(_CHUNK_BYTES):
                stream.write(chunk)
        return {"name": path.name}

    def decode(self, path: Path, as_type: Any = None) -> Any:
        """The path of the stored file."""
        return path
