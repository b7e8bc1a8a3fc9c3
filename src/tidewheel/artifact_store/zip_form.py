"""Zip archives that are the same for the same content."""

from __future__ import annotations

import io
import zipfile


def repack(entries: dict[str, bytes]) -> bytes:
    """A zip archive that depends on its entries only: in the order given, uncompressed, without dates or rights."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in entries.items():
            info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            info.create_system = 3
            archive.writestr(info, content)
    return buffer.getvalue()
