"""Artifacts in a folder of the local disk."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, cast

from tidewheel.artifact_store.codec_table import CodecTable, qualified_name
from tidewheel.artifact_store.file_writer import FileWriter, storage_error
from tidewheel.artifact_store.protocol import identity_of
from tidewheel.core.digest import digest_file
from tidewheel.core.errors import ArtifactCorruptError, ArtifactMissingError, ParameterError
from tidewheel.core.records import Artifact

_HEX = frozenset("0123456789abcdef")
_STORED_AS = {"pyarrow.lib.RecordBatchReader": "pyarrow.lib.Table"}
"""Types that are another once they are stored."""
_DIGEST_LENGTH = 64


class LocalArtifactStore:
    """One file per artifact, named by its digest: `<root>/ab/abcdef...`, read-only, never changed.

    Guarantees:
        * A file appears under its digest whole or not at all: it is written to `<root>/tmp` and renamed. Whatever is
          killed while writing leaves at most a temporary file, which `discard_torn` removes, not a live one's.
        * Putting an equal value again, here or in another process at the same time, is harmless and gives an equal
          artifact. A file whose size is wrong is replaced.
        * `load` checks the digest of what it reads, each time.
        * Surviving a power failure is promised only after `sync`.

    One instance may be used by many threads; many processes may use one folder. Creating a store touches nothing.

    Args:
        root: the folder; created by the first write.
        codecs: which codec stores which type.
    """

    def __init__(self, root: Path, codecs: CodecTable | None = None) -> None:
        self.root = Path(root)
        self.codecs = codecs or CodecTable.default()

    def put(self, value: Any) -> Artifact:
        """Stores a value.

        Raises:
            CodecNotFoundError: the value, or a part of it, has a type without a codec.
            ParameterError: the value has no exact form, such as a cyclic list.
            StorageError: the disk is full or read-only; nothing is left behind.
        """
        codec = self.codecs.for_value(value)
        name = _STORED_AS.get(qualified_name(type(value)), qualified_name(type(value)))
        return self._write(lambda stream: codec.encode(value, stream), identity_of(codec), name)

    def load(self, artifact: Artifact, as_type: Any = None) -> Any:
        """The value, after its bytes were checked; tables and arrays stay in the mapped file.

        Args:
            artifact: what `put` returned.
            as_type: the type that the reader declares; JSON values are converted to it.

        Raises:
            ArtifactMissingError: its file is gone.
            ArtifactCorruptError: its bytes are not what was stored.
            SchemaMismatchError: the value does not fit `as_type`.
        """
        codec = self.codecs.for_identity(artifact.codec)
        self.verify(artifact)
        return codec.decode(self.path_of(artifact), as_type)

    def path_of(self, artifact: Artifact | str) -> Path:
        """Where the bytes of an artifact, or of a digest, are or would be.

        Raises:
            ParameterError: this is no digest.
        """
        digest = artifact if isinstance(artifact, str) else artifact.digest
        if len(digest) != _DIGEST_LENGTH or not _HEX.issuperset(digest):
            raise ParameterError(
                f"{digest!r} is no digest of an artifact", next_step="give all 64 hexadecimal characters"
            )
        return self.root / digest[:2] / digest

    def is_present(self, artifact: Artifact) -> bool:
        """Whether a file of the right size is there; cheap, reads no content."""
        return _size(self.path_of(artifact)) == artifact.size_bytes

    def is_intact(self, artifact: Artifact, recorded_at: datetime | None) -> bool:
        """Whether what was stored before `recorded_at` may be taken over; what was altered is moved aside.

        A file of the right size that nobody wrote since is believed; one with a later time is held against its digest.
        """
        path = self.path_of(artifact)
        try:
            found = path.stat()
        except OSError:
            return False
        if found.st_size != artifact.size_bytes:
            return False  # putting the value again replaces it
        if recorded_at is not None and found.st_mtime <= recorded_at.timestamp():
            return True
        try:
            self.verify(artifact)
        except ArtifactCorruptError:
            return self._set_aside(artifact)
        except ArtifactMissingError:
            return False
        return True

    def verify(self, artifact: Artifact) -> None:
        """Reads the file and compares its digest.

        Raises:
            ArtifactMissingError: its file is gone.
            ArtifactCorruptError: its bytes are not what was stored.
        """
        path = self.path_of(artifact)
        try:
            size = path.stat().st_size
            digest = digest_file(_kind(artifact.codec), path) if size == artifact.size_bytes else ""
        except (FileNotFoundError, NotADirectoryError):
            raise ArtifactMissingError(
                f"the bytes of artifact {artifact.digest[:12]} ({artifact.type_name}) are gone",
                where=str(path),
                next_step="run the step that made it again",
            ) from None
        except OSError as error:
            raise storage_error(f"artifact {artifact.digest[:12]} cannot be read", error, path) from error
        if digest != artifact.digest:
            found = f"another digest, {digest[:12]}" if digest else f"{size} bytes instead of {artifact.size_bytes}"
            raise ArtifactCorruptError(
                f"the file of artifact {artifact.digest[:12]} ({artifact.type_name}) was altered: it has {found}",
                where=str(path),
                next_step="remove the file and run again: the step that made it is then carried out anew",
            )

    def quarantine(self, artifact: Artifact | str) -> Path | None:
        """Moves the file aside, so that computing the value again writes it anew; returns its new place, if any."""
        path = self.path_of(artifact)
        aside = self.root / "quarantine" / f"{path.name}-{os.urandom(4).hex()}"
        try:
            aside.parent.mkdir(parents=True, exist_ok=True)
            os.replace(path, aside)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise storage_error("an altered artifact cannot be moved aside", error, path) from error
        return aside

    def sync(self, artifacts: Iterable[Artifact | str]) -> None:
        """Returns when the files and their directory entries are on the disk itself (fsync).

        Raises:
            ArtifactMissingError: one of them is gone.
        """
        folders: set[Path] = {self.root}
        for artifact in artifacts:
            path = self.path_of(artifact)
            try:
                _fsync(path)
            except FileNotFoundError:
                raise ArtifactMissingError(
                    f"the bytes of artifact {path.name[:12]} are gone",
                    where=str(path),
                    next_step="run the step that made it again",
                ) from None
            folders.add(path.parent)
        for folder in folders:
            if folder.is_dir():
                _fsync(folder)

    def delete(self, digest: str) -> bool:
        """Removes the bytes; whether they were there. The caller knows that nothing needs them."""
        path = self.path_of(digest)
        try:
            path.unlink()
        except FileNotFoundError:
            return False
        except OSError as error:
            raise storage_error("an artifact cannot be deleted", error, path) from error
        return True

    def list_digests(self) -> list[str]:
        """All digests that have a file, sorted."""
        names: list[str] = []
        for folder in self.root.glob("??"):
            names += (path.name for path in folder.iterdir() if len(path.name) == _DIGEST_LENGTH)
        return sorted(names)

    def discard_torn(self, older_than_s: float = 3600.0) -> int:
        """Removes what killed writers left; returns how many files. One that cannot be removed stays.

        Args:
            older_than_s: age in seconds since the last write to the file; younger ones may belong to a live writer. An
                older one that its writer still holds open stays, too.
        """
        return sum(_discard(path, time.time() - older_than_s) for path in self.root.glob("tmp/*"))

    def _set_aside(self, artifact: Artifact) -> bool:
        """Moves an altered file aside, unless it is right by now; whether it is.

        Of several processes that found it altered at once one moves it. Without their turns a second one would move
        what the first has written anew.
        """
        with self._opened_lock() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            try:
                self.verify(artifact)
            except ArtifactCorruptError:
                self.quarantine(artifact)
                return False
            except ArtifactMissingError:
                return False
        return True

    def _opened_lock(self) -> BinaryIO:
        path = self.root / "quarantine.lock"
        try:
            return path.open("ab")
        except OSError as error:
            raise storage_error("an altered artifact cannot be moved aside", error, path) from error

    def _write(self, encode: Callable[[BinaryIO], dict[str, Any]], codec: str, type_name: str) -> Artifact:
        with self._temporary() as temporary:
            with self._writer(temporary, _kind(codec)) as writer:
                summary = encode(cast(BinaryIO, writer))
                digest, size = writer.finish()
            target = self.path_of(digest)
            if _size(target) != size:
                try:
                    target.parent.mkdir(exist_ok=True)
                    os.replace(temporary, target)
                except OSError as error:
                    raise storage_error("an artifact cannot be put in its place", error, target) from error
        return Artifact(digest=digest, codec=codec, type_name=type_name, size_bytes=size, summary=summary)

    def _writer(self, temporary: Path, kind: str) -> FileWriter:
        try:
            temporary.parent.mkdir(parents=True, exist_ok=True)
            return FileWriter(temporary, kind)
        except OSError as error:
            raise storage_error("an artifact cannot be written", error, temporary.parent) from error

    @contextmanager
    def _temporary(self) -> Iterator[Path]:
        """A name in the store's folder for temporary files; whatever is left under it afterwards is removed."""
        path = self.root / "tmp" / f"{os.getpid()}-{os.urandom(8).hex()}"
        try:
            yield path
        finally:
            try:
                path.unlink()
            except OSError:  # renamed, never created, or the disk that just failed
                pass


def _kind(codec: str) -> str:
    return f"artifact {codec}"


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1


def _discard(path: Path, written_before: float) -> bool:
    """Removes a temporary file of a writer that is dead; its lock went with it."""
    with suppress(OSError):
        if path.stat().st_mtime > written_before:
            return False
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
        finally:
            os.close(fd)
        return True
    return False


def _fsync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    except OSError as error:
        raise storage_error("what was written is not safe on the disk", error, path) from error
    finally:
        os.close(fd)
