"""An immutable value named by its digest."""

from __future__ import annotations

from typing import Any

from tidewheel.core.records.record import Record


class Artifact(Record, frozen=True, kw_only=True):
    """Names a stored value.

    Attributes:
        digest: BLAKE3 over the codec's identity and the stored bytes.
        codec: name and version of the codec that wrote them, such as `arrow/1`.
        type_name: the qualified Python type that was stored.
        size_bytes: how long the stored file is.
        summary: what a listing shows without reading the value, such as rows and columns.
    """

    digest: str
    codec: str
    type_name: str
    size_bytes: int
    summary: dict[str, Any] = {}
