"""How values of features and keys stand in the online store, and how they come back."""

from __future__ import annotations

import operator
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

import msgspec

from tidewheel.core.errors import DefinitionError, ParameterError

Kind = Literal["boolean", "integer", "float", "text", "bytes", "instant", "local time", "date", "decimal"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LOCAL_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - of a column without a zone
_DAY = date(1970, 1, 1).toordinal()
_MICROSECOND = timedelta(microseconds=1)


class StoredColumn(msgspec.Struct, frozen=True):
    """A key or feature as it is stored.

    Attributes:
        name: as requests use it.
        kind: which values it has.
        type_name: Arrow's name of the type that the offline join gives.
    """

    name: str
    kind: Kind
    type_name: str


def stored_column(name: str, arrow_type: Any, where: str) -> StoredColumn:
    """How a column of an Arrow type is stored.

    Raises:
        DefinitionError: it is not, such as a list.
    """
    import pyarrow.types as pt

    kinds: tuple[tuple[Callable[[Any], bool], Kind], ...] = (
        (pt.is_boolean, "boolean"),
        (pt.is_integer, "integer"),
        (pt.is_floating, "float"),
        (lambda one: pt.is_string(one) or pt.is_large_string(one), "text"),
        (lambda one: pt.is_binary(one) or pt.is_large_binary(one) or pt.is_fixed_size_binary(one), "bytes"),
        (lambda one: pt.is_timestamp(one) and one.tz is not None, "instant"),
        (pt.is_timestamp, "local time"),
        (pt.is_date, "date"),
        (pt.is_decimal, "decimal"),
    )
    for holds, kind in kinds:
        if holds(arrow_type):
            return StoredColumn(name, kind, str(arrow_type))
    raise DefinitionError(
        f"{name!r} is {arrow_type}, which the online store does not hold", (), where=where, next_step="cast it to text"
    )


def stored_sql(column: StoredColumn, expression: str) -> str:
    """SQL of the stored form: whole microseconds and days for times, text for decimals, the value itself else."""
    forms = {
        "instant": "epoch_us({})",
        "local time": "epoch_us({})",
        "date": "({} - date '1970-01-01')",
        "decimal": "({})::varchar",
    }
    return forms.get(column.kind, "{}").format(expression)


def reader_of(kind: Kind) -> Callable[[Any], Any] | None:
    """What turns a stored value that is not null into the value; None where that is the same."""
    readers: dict[str, Callable[[Any], Any]] = {
        "instant": lambda micros: _EPOCH + timedelta(microseconds=micros),
        "local time": lambda micros: _LOCAL_EPOCH + timedelta(microseconds=micros),
        "date": lambda days: date.fromordinal(_DAY + days),
        "decimal": Decimal,
    }
    return readers.get(kind)


def stored_key(column: StoredColumn, value: Any, row: int) -> Any:
    """A request's key as it is stored.

    Raises:
        ParameterError: it has another type; numbers and text never stand for each other.
    """
    kind = column.kind
    if kind == "text" and isinstance(value, str):
        return value
    if kind == "integer" and not isinstance(value, bool | float | str) and hasattr(value, "__index__"):
        return operator.index(value)
    if kind == "boolean" and isinstance(value, bool):
        return value
    if kind == "bytes" and isinstance(value, bytes):
        return value
    if kind == "instant" and isinstance(value, datetime) and value.tzinfo is not None:
        return (value - _EPOCH) // _MICROSECOND
    if kind == "local time" and isinstance(value, datetime) and value.tzinfo is None:
        return (value - _LOCAL_EPOCH) // _MICROSECOND
    if kind == "date" and isinstance(value, date) and not isinstance(value, datetime):
        return value.toordinal() - _DAY
    if kind == "decimal" and isinstance(value, Decimal):
        return _with_scale(value, column.type_name)
    raise ParameterError(
        f"entity key {column.name!r} takes {kind}, but row {row} has {value!r} ({type(value).__name__})",
        next_step=f"send {kind}",
    )


def _with_scale(value: Decimal, type_name: str) -> str:
    """A number with as many decimals as stored ones have, since 1.5 and 1.50 are equal; as it is where it has more."""
    scale = int(type_name.rpartition(",")[2].strip(" )"))
    if not value.is_finite() or scale < 0:
        return str(value)
    fixed = f"{value if value else value.copy_abs():.{scale}f}"
    return fixed if Decimal(fixed) == value else str(value)


def micros_of(moment: datetime) -> int:
    """Microseconds since 1970.

    Raises:
        ParameterError: the time has no zone.
    """
    if moment.tzinfo is None:
        raise ParameterError(
            f"{moment.isoformat()} has no time zone", next_step="give an aware time, such as one in UTC"
        )
    return (moment - _EPOCH) // _MICROSECOND
