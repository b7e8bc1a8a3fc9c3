"""Packages as artifacts."""

from __future__ import annotations

from pathlib import Path
from typing import Any, BinaryIO

from tidewheel.model_package.package import Package


class PackageCodec:
    """Stores a package as the one file that it is."""

    name = "package"
    version = 1

    def encode(self, value: Package, stream: BinaryIO) -> dict[str, Any]:
        """Writes the file; the summary says what answers, how many features it takes, and how many limits it has."""
        value.write(stream)
        limits = {"limits": len(value.limits.limits)} if value.limits is not None else {}
        return {
            "runtime": value.runtime,
            "task": value.signature.task,
            "features": len(value.signature.inputs),
            "parity": value.parity.maximum_difference,
            **limits,
        }

    def decode(self, path: Path, as_type: Any = None) -> Package:
        """Reads the file; the model itself is loaded by `open`."""
        return Package.read(path)
