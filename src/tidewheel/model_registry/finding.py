"""Damage that came from outside."""

from __future__ import annotations

from tidewheel.core.records.record import Record


class Finding(Record, frozen=True, kw_only=True):
    """A version that is not as it was registered.

    Attributes:
        message: what is wrong with it, and the next step.
        is_champion: whether it is in production.
    """

    model: str
    version: int
    message: str
    is_champion: bool = False

    def __str__(self) -> str:
        alias = ", the champion" if self.is_champion else ""
        return f"{self.model} v{self.version}{alias}: {self.message}"
