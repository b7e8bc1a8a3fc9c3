"""The files of onnxruntime-web that an edge bundle carries, each known by its hash."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from tidewheel.core.errors import DeploymentError, ParameterError, StorageError

VERSION = "1.30.0"
HASHES = {
    "ort.wasm.min.mjs": "219e6a1fc8a9938268d18efca3c91d310bd2f4a59bbd13744df5b2b7fc6cee3b",
    "ort-wasm-simd-threaded.mjs": "e13f7f94fc51b4ca72b12faeb1ee95f4ace6dfbc8939bc718aabdc0a27c4299b",
    "ort-wasm-simd-threaded.wasm": "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2",
}
"""SHA-256 by name in the package's folder `dist`."""
_PATIENCE_S = 600.0


def runtime_files(cache: Path, assets: Path | None = None) -> dict[str, Path]:
    """The runtime's files by name, from a folder, the cache, or npm.

    Args:
        cache: where files from npm are kept for the next time.
        assets: a folder with the files, such as that of the npm package or its `dist`; npm is not asked then.

    Raises:
        ParameterError: the folder lacks a file, or holds another version.
        DeploymentError: npm is not there, or did not bring the package.
        StorageError: the cache cannot be written.
    """
    if assets is not None:
        folder = assets / "dist" if (assets / "dist").is_dir() else assets
        return _checked(folder, next_step=f"name the folder of the npm package onnxruntime-web@{VERSION}")
    folder = cache / f"onnxruntime-web-{VERSION}"
    if not all((folder / name).is_file() for name in HASHES):
        _fetch(folder)
    return _checked(folder, next_step=f"remove {folder} and export again")


def _checked(folder: Path, *, next_step: str) -> dict[str, Path]:
    for name, expected in HASHES.items():
        try:
            found = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        except OSError:
            raise ParameterError(f"{name} is missing", where=str(folder), next_step=next_step) from None
        if found != expected:
            raise ParameterError(
                f"{name} is not that of onnxruntime-web {VERSION}", where=str(folder), next_step=next_step
            )
    return {name: folder / name for name in HASHES}


def _fetch(folder: Path) -> None:
    """Takes the package by npm, which checks it against its registry, and unpacks the few files alone."""
    told = "install npm, or name a folder that has the files with --assets"
    npm = shutil.which("npm")
    if npm is None:
        raise DeploymentError("npm is not installed, which brings onnxruntime-web", next_step=told)
    with tempfile.TemporaryDirectory(prefix="tidewheel-npm-") as temporary:
        command = [npm, "pack", f"onnxruntime-web@{VERSION}", "--silent", "--ignore-scripts"]
        try:
            done = subprocess.run(
                command, cwd=temporary, capture_output=True, text=True, check=False, timeout=_PATIENCE_S
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise DeploymentError(f"npm did not bring onnxruntime-web {VERSION}: {error}", next_step=told) from None
        packed = sorted(Path(temporary).glob("*.tgz"))
        if done.returncode or len(packed) != 1:
            last = (done.stderr.strip().splitlines() or ["no package came"])[-1]
            raise DeploymentError(f"npm did not bring onnxruntime-web {VERSION}: {last}", next_step=told)
        try:
            _unpack(packed[0], folder)
        except OSError as error:
            raise StorageError(
                f"the files of onnxruntime-web cannot be kept: {error.strerror}", where=str(folder), next_step=told
            ) from error


def _unpack(archive: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive) as opened:
        for name in HASHES:
            member = opened.extractfile(f"package/dist/{name}")
            if member is not None:
                part = folder / f"{name}.{os.getpid()}"  # two exports may fetch at the same time
                part.write_bytes(member.read())
                part.replace(folder / name)
