"""One file of the sources: what is read, and the digest that names it."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Literal

import msgspec

from tidewheel.core.digest import digest_bytes
from tidewheel.core.errors import SourceError

Kind = Literal["file", "executable", "link"]


class SourceFile(msgspec.Struct, frozen=True):
    """The bytes of a file, or the target of a link, with what is to be kept of its mode.

    Equal bytes of two kinds have two digests, so a digest stands for content and mode together.
    """

    kind: Kind
    content: bytes

    @property
    def digest(self) -> str:
        """Over kind and content."""
        return digest_bytes(f"source {self.kind}", self.content)

    @property
    def mode(self) -> int:
        """The POSIX mode that a copy gets: read-only, so that nobody edits the copy in place of the project."""
        return {"file": 0o444, "executable": 0o555, "link": 0o777}[self.kind]

    def write(self, path: Path) -> None:
        """Writes it to a path that does not exist yet."""
        if self.kind == "link":
            os.symlink(os.fsdecode(self.content), path)
            return
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(self.content)
            os.fchmod(stream.fileno(), self.mode)


def read_source_file(root: Path | str, path: str) -> SourceFile | None:
    """Reads one file of a project; None when there is no such file, or it is a folder, pipe or socket.

    Raises:
        SourceError: it cannot be read, or is a link that leaves the project.
    """
    place = f"{root}/{path}"  # a string: a Path costs as much as reading a small file
    try:
        mode = os.lstat(place).st_mode
        if stat.S_ISLNK(mode):
            return SourceFile("link", _link_target(root, place))
        if not stat.S_ISREG(mode):
            return None
        with open(place, "rb") as stream:
            return SourceFile("executable" if mode & stat.S_IXUSR else "file", stream.read())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise SourceError(
            f"source file {path!r} cannot be read: {error.strerror}",
            where=place,
            next_step="make it readable, or list it under project.exclude",
        ) from error


def _link_target(root: Path | str, place: str) -> bytes:
    """Where a link leads, relative to its folder and without a detour outside, so that the copy's leads alike."""
    reached = os.path.realpath(place)
    if not Path(reached).is_relative_to(os.path.realpath(root)):
        raise SourceError(
            f"{os.path.relpath(place, root)!r} is a link that leaves the project, to {reached}",
            where=place,
            next_step="copy here what it leads to, or list it under project.exclude",
        )
    return os.fsencode(os.path.relpath(reached, os.path.realpath(os.path.dirname(place))))
