"""Column types that mean the same, and sort the same, on SQLite and PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import BigInteger, Integer, Text
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine

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


class Moment(TypeDecorator[datetime]):
    """An aware time, stored as integer microseconds in UTC: exact, sortable and the same on both databases."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """What is stored for a time."""
        return None if value is None else to_microseconds(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        """The time for what is stored."""
        return None if value is None else from_microseconds(value)


def text() -> TypeEngine[str]:
    """Text compared byte by byte, whatever collation the PostgreSQL database was created with."""
    return Text().with_variant(Text(collation="C"), "postgresql")


def counter() -> TypeEngine[int]:
    """A number that the database gives to each new row of a history, in order of writing."""
    return BigInteger().with_variant(Integer, "sqlite")
