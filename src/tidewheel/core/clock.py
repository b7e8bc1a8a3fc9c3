"""What time it is for the workspace.

Facts carry two times: `at`, the workspace's clock, which is virtual when history is replayed, and `recorded_at`, the
wall clock. Leases and time-outs use neither but the monotonic clock of the process. A child process is handed `at` with
what it is asked: an endpoint with each request, a step in an input that is part of its key (`Reference.at`).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Protocol

from tidewheel.core.errors import ParameterError


class Clock(Protocol):
    """Tells the workspace's time."""

    def now(self) -> datetime:
        """The current time, aware, in UTC."""


class WallClock:
    """The time of this machine."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class VirtualClock:
    """A time that stands still until it is moved.

    Example:
        >>> VirtualClock(parse_time("2013-04-01")).now().isoformat()
        '2013-04-01T00:00:00+00:00'
    """

    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at


def utc_now() -> datetime:
    """The wall clock, aware, in UTC: what `recorded_at` columns hold."""
    return datetime.now(UTC)


def parse_time(text: str) -> datetime:
    """An ISO 8601 date or time; without an offset it is read as UTC.

    Raises:
        ParameterError: the text is no ISO 8601 time.

    Example:
        >>> parse_time("2013-04-01T12:00:00-04:00").isoformat()
        '2013-04-01T16:00:00+00:00'
    """
    try:
        value = datetime.fromisoformat(text)
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except (ValueError, OverflowError):  # with its offset a time may lie before year 1 or after 9999
        raise ParameterError(
            f"{text!r} is no time", next_step="write ISO 8601, such as 2013-04-01 or 2013-04-01T12:00:00Z"
        ) from None
