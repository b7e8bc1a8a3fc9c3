"""Bytes as they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any, BinaryIO


class BytesCodec:
    """Stores `bytes`, `bytearray` and contiguous memory views; gives `bytes` back, or the type that is asked for."""

    name = "bytes"
    version = 1

    def encode(self, value: Any, stream: BinaryIO) -> dict[str, Any]:
        """Writes the bytes of the buffer; a view of strided memory is copied first."""
        view = memoryview(value)
        stream.write(view if view.contiguous else view.tobytes())
        return {}

    def decode(self, path: Path, as_type: Any = None) -> Any:
        """The file's content."""
        content = path.read_bytes()
        return as_type(content) if as_type in (bytearray, memoryview) else content
