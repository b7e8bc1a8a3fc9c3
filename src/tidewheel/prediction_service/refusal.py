"""Requests that are not answered."""

from __future__ import annotations

from tidewheel.core.errors import TidewheelError


class Refusal(TidewheelError):
    """A request is refused.

    Args:
        status: the HTTP status, 4xx for the asker's mistakes and 503 when the log cannot be written.
        message: what is wrong with it, naming the field.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
