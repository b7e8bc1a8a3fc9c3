"""The base of every fact."""

from __future__ import annotations

from typing import Any, Self

import msgspec


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=False):
    """A frozen fact that survives a round trip through JSON.

    Unknown fields are ignored on reading, so that an older reader can open what a newer writer wrote.
    """

    def to_json(self) -> bytes:
        """Canonical JSON, UTF-8, keys sorted."""
        return msgspec.json.encode(self, order="deterministic")

    @classmethod
    def from_json(cls, data: bytes | str) -> Self:
        """Reads what `to_json` wrote.

        Raises:
            msgspec.ValidationError: a field is missing or has another type.
        """
        return msgspec.json.decode(data, type=cls)

    def to_dict(self) -> dict[str, Any]:
        """The fact as JSON types."""
        result: dict[str, Any] = msgspec.to_builtins(self)
        return result

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Reads what `to_dict` gave."""
        return msgspec.convert(data, type=cls)
