"""Copies of a project's sources: a folder named by its digest, and one file that can be stored as an artifact.

A copy is made beside its place and renamed there, so it is whole or absent, and two processes may make the same one
at once. Every file is read once and held against the digest it should have, so an edit in between is noticed.
"""

from __future__ import annotations

import errno
import io
import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path, PurePosixPath

from tidewheel.core.errors import ArtifactCorruptError, SourceError, StorageError
from tidewheel.core.identifier import new_id
from tidewheel.core.records import SourceState
from tidewheel.source_repository.source_file import Kind, SourceFile, read_source_file
from tidewheel.source_repository.sources import digest_sources, read_sources

_ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)
_ZIP_MODES: dict[Kind, int] = {"file": 0o100644, "executable": 0o100755, "link": 0o120777}
_ZIP_KINDS = {mode: kind for kind, mode in _ZIP_MODES.items()}
_RENAME_ATTEMPTS = 10


def capture_sources(root: Path, target_parent: Path, exclude: Sequence[str] = ()) -> tuple[SourceState, Path]:
    """Reads the sources as they are now and copies them; reads once more when a file changed in between.

    Returns:
        the state, and the folder `<target_parent>/<state.digest>` that holds exactly its files.

    Raises:
        SourceError: the sources cannot be read, or changed while being read, twice.
        StorageError: the copy cannot be written.
    """
    try:
        state = read_sources(root, exclude=exclude)
        return state, copy_sources(root, state, target_parent)
    except SourcesChangedError:
        state = read_sources(root, exclude=exclude)
        return state, copy_sources(root, state, target_parent)


class SourcesChangedError(SourceError):
    """A file was edited between two looks at it; reading again helps."""


def copy_sources(root: Path, state: SourceState, target_parent: Path) -> Path:
    """The folder `<target_parent>/<state.digest>` with the files of `state`; one that is there and whole is kept.

    Raises:
        SourcesChangedError: a file of `root` is no longer as `state` says; nothing was made.
        StorageError: the copy cannot be written.
    """
    target = target_parent / state.digest
    if _is_whole(target, state.files):
        return target

    def read(path: str) -> SourceFile:
        file = read_source_file(root, path)
        if file is None or file.digest != state.files[path]:
            raise SourcesChangedError(
                f"source file {path!r} changed while being read",
                where=str(root / path),
                next_step="run again when nothing writes into the project",
            )
        return file

    return _place(target, state.files, read)


def pack_sources(folder: Path, state: SourceState) -> bytes:
    """The files of a copy as an uncompressed zip archive; equal sources give equal bytes, on any machine.

    Raises:
        ArtifactCorruptError: the copy was damaged.
    """
    import zipfile  # 10 ms that a run with known sources does not need

    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(state.files):
            file = read_source_file(folder, path)
            if file is None or file.digest != state.files[path]:
                raise _damaged(f"file {path!r} of the sources' copy was changed", str(folder / path))
            entry = zipfile.ZipInfo(path, _ZIP_EPOCH)
            entry.create_system = 3  # POSIX, so that modes mean the same wherever it is read
            entry.external_attr = _ZIP_MODES[file.kind] << 16
            archive.writestr(entry, file.content)
    return packed.getvalue()


def unpack_sources(data: bytes, target_parent: Path, digest: str) -> Path:
    """The folder `<target_parent>/<digest>` with what `pack_sources` packed.

    Raises:
        ArtifactCorruptError: the archive does not hold the sources of this digest; nothing was made.
        StorageError: the copy cannot be written.
    """
    files = dict(_unzip(data))
    digests = {path: file.digest for path, file in files.items()}
    if digest_sources(digests) != digest:
        raise _damaged("the archive does not hold the sources of its digest", digest)
    target = target_parent / digest
    if _is_whole(target, digests):
        return target
    return _place(target, digests, files.__getitem__)


def _unzip(data: bytes) -> Iterable[tuple[str, SourceFile]]:
    import zipfile

    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for entry in archive.infolist():
                kind = _ZIP_KINDS.get(entry.external_attr >> 16)
                if kind is None or PurePosixPath(entry.filename).is_absolute() or ".." in entry.filename.split("/"):
                    raise _damaged(
                        f"the sources' archive holds an entry that is no source file: {entry.filename!r}", ""
                    )
                yield entry.filename, SourceFile(kind, archive.read(entry))
    except zipfile.BadZipFile as error:
        raise _damaged(f"the sources' archive is damaged: {error}", "") from error


def _damaged(what: str, where: str) -> ArtifactCorruptError:
    return ArtifactCorruptError(
        what, where=where, next_step="remove it; the sources are captured again by the next run"
    )


def _is_whole(folder: Path, digests: dict[str, str]) -> bool:
    """Whether a copy holds these files and no others; compiled modules that imports left there do not count."""
    if not folder.is_dir():
        return False
    start, top = len(str(folder)) + 1, str(folder)
    found = {
        f"{place}/{name}"[start:]
        for place, folders, names in os.walk(folder)
        if os.path.basename(place) != "__pycache__"
        for name in (*names, *(one for one in folders if os.path.islink(f"{place}/{one}")))
    }
    if found != digests.keys():
        return False
    for path, digest in digests.items():
        file = read_source_file(top, path)
        if file is None or file.digest != digest:
            return False
    return True


def _place(target: Path, digests: dict[str, str], read: Callable[[str], SourceFile]) -> Path:
    """Writes the files beside `target` and renames the folder there."""
    partial = _beside(target)
    try:
        partial.mkdir(parents=True)
        for path in digests:
            file = read(path)
            place = partial / path
            place.parent.mkdir(parents=True, exist_ok=True)
            file.write(place)
        _rename(partial, target, digests)
    except OSError as error:
        raise StorageError(
            f"the sources cannot be copied: {error.strerror or error}",
            where=str(target.parent),
            next_step="make room or choose another workspace folder, and run again",
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return target


def _beside(target: Path) -> Path:
    return target.with_name(f".{target.name[:16]}-{new_id()}")


def _rename(partial: Path, target: Path, digests: dict[str, str]) -> None:
    """Puts the folder in its place, where another process may have put the same one, or a damaged one may lie."""
    for _ in range(_RENAME_ATTEMPTS):
        try:
            partial.rename(target)
            return
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                raise
        if _is_whole(target, digests):
            return
        damaged = _beside(target)
        try:
            target.rename(damaged)
        except FileNotFoundError:
            continue  # another process is putting it right at this moment
        shutil.rmtree(damaged, ignore_errors=True)
    raise SourceError(f"other processes keep changing the copy of the sources {target.name[:16]}", where=str(target))
