"""Figures of matplotlib as pictures."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, BinaryIO


class FigureCodec:
    """Stores a `matplotlib.figure.Figure` as PNG without date or software name; gives the PNG's bytes back.

    A picture, not the figure: that has no form but pickle. A reader that declares `pathlib.Path` gets the stored file.
    """

    name = "figure"
    version = 1

    def encode(self, value: Any, stream: BinaryIO) -> dict[str, Any]:
        """Draws the figure in its own size and resolution, whatever the user's settings for saving are."""
        import matplotlib as mpl

        picture = io.BytesIO()
        fixed: Any = {"savefig.bbox": None, "savefig.pad_inches": 0.1, "savefig.transparent": False}
        with mpl.rc_context(fixed):
            value.savefig(
                picture,
                format="png",
                dpi=value.dpi,
                facecolor=value.get_facecolor(),
                edgecolor=value.get_edgecolor(),
                metadata={"Software": None},
            )
        stream.write(picture.getbuffer())
        width, height = value.get_size_inches() * value.dpi
        return {"format": "png", "width": int(width), "height": int(height)}

    def decode(self, path: Path, as_type: Any = None) -> Any:
        """The bytes of the PNG, or its path."""
        return path if isinstance(as_type, type) and issubclass(as_type, Path) else path.read_bytes()
