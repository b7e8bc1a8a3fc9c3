"""Profiles as artifacts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from tidewheel.statistics.profile import Profile


class ProfileCodec:
    """Stores a profile as `Profile.to_bytes` gives it."""

    name = "profile"
    version = 1

    def encode(self, value: Profile, stream: BinaryIO) -> dict[str, Any]:
        """Writes the bytes; the summary says of how many rows and columns it is."""
        stream.write(value.to_bytes())
        return {"rows": value.row_count, "columns": len(value.columns)}

    def decode(self, path: Path, as_type: Any = None) -> Profile:
        """Reads what `encode` wrote."""
        from tidewheel.statistics.profile import Profile

        return Profile.from_bytes(path.read_bytes())
