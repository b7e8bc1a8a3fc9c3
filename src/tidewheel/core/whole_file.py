"""Files that appear under their name whole or not at all."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from tidewheel.core.identifier import new_id


def write_whole(path: Path, data: bytes) -> None:
    """Writes a file beside its place and renames it, so that a reader sees what was there before or all of the data.

    Of several writers at once the last one stays. Surviving a power failure is not promised. A writer that is killed
    leaves at most a hidden file with a name of its own.

    Raises:
        OSError: the folder is not there, or the disk is full or read-only; nothing has changed.

    Example:
        >>> import tempfile
        >>> place = Path(tempfile.mkdtemp()) / "state.json"
        >>> write_whole(place, b"{}")
        >>> [one.name for one in place.parent.iterdir()]
        ['state.json']
    """
    temporary = path.with_name(f".{path.name}.{new_id()}")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    except OSError:
        with suppress(OSError):
            temporary.unlink()
        raise
