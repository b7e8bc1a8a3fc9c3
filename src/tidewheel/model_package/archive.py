"""The package's file: a zip that is the same for the same content, and that a hostile writer cannot use."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from tidewheel.core.errors import UnreadableFileError

ALLOWED = {
    "package.json",
    "examples.json",
    "parity.json",
    "sbom.json",
    "limits.json",
    "model.onnx",
    "model.skops",
    "model.xgboost.json",
}
MAXIMUM_BYTES = 2 << 30
_EPOCH = (1980, 1, 1, 0, 0, 0)


def write_archive(files: Mapping[str, bytes], stream: BinaryIO) -> None:
    """Writes files uncompressed, sorted and without times, so that equal content gives equal bytes."""
    # Not straight into the stream: zip writes other bytes where it cannot seek back.
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.create_system = 3  # also where zip would note another one
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, files[name])
    stream.write(buffer.getbuffer())


def read_archive(path: Path) -> dict[str, bytes]:
    """The files of a package, each verified by its checksum; nothing is unpacked to the disk or run.

    Raises:
        UnreadableFileError: it is no package: truncated, too large, compressed, or with foreign entries or bytes.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            _check(entries, path)
            files = {entry.filename: archive.read(entry) for entry in entries}
            _check_nothing_else(files, path)
            return files
    except (zipfile.BadZipFile, EOFError, io.UnsupportedOperation, ValueError, RuntimeError) as error:
        if isinstance(error, UnreadableFileError):
            raise
        raise UnreadableFileError(f"it is no package: {error}", where=str(path)) from None


def _check(entries: list[zipfile.ZipInfo], path: Path) -> None:
    names = [entry.filename for entry in entries]
    foreign = sorted(set(names) - ALLOWED)
    if foreign:
        raise UnreadableFileError(f"a package holds no {foreign[0]!r}", where=str(path))
    if len(names) != len(set(names)) or "package.json" not in names:
        raise UnreadableFileError("a package holds each file once, and package.json", where=str(path))
    if any(entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1 for entry in entries):
        raise UnreadableFileError("a package is neither compressed nor encrypted", where=str(path))
    if sum(entry.file_size for entry in entries) > MAXIMUM_BYTES:
        raise UnreadableFileError(f"a package has at most {MAXIMUM_BYTES:,} bytes", where=str(path))


def _check_nothing_else(files: Mapping[str, bytes], path: Path) -> None:
    """A zip reader skips what stands before, between and after the entries; a package has no such place."""
    whole = io.BytesIO()
    write_archive(files, whole)
    if path.stat().st_size != whole.tell() or path.read_bytes() != whole.getbuffer():
        raise UnreadableFileError("a package holds its files and no other byte", where=str(path))
