"""Times as both databases hold them: integer microseconds in UTC, which are exact and sort."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tidewheel.core.errors import ParameterError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_microseconds(value: datetime) -> int:
    """Microseconds since 1970 in UTC, exact.

    Raises:
        ParameterError: the time has no offset.

    Example:
        >>> to_microseconds(datetime(2013, 4, 1, tzinfo=UTC))
        1364774400000000
    """
    if value.tzinfo is None:
        raise ParameterError(f"time {value.isoformat()} has no offset", next_step="record aware times in UTC")
    return (value - _EPOCH) // _MICROSECOND


def from_microseconds(value: int) -> datetime:
    """The aware time that `to_microseconds` counted."""
    return _EPOCH + value * _MICROSECOND
