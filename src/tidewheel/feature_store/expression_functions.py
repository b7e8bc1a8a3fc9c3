"""What the functions and operators of on-demand features do, on Arrow arrays and scalars.

Values have five types: bigint, double, text, boolean and timestamptz. Every function is computed element by element by
the same code however long the array is, so that a column and a single request give the same bits.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from tidewheel.core.errors import ParameterError

Value = Any
"""An Arrow array or scalar."""

TYPES = {
    "bigint": pa.int64(),
    "double": pa.float64(),
    "text": pa.string(),
    "boolean": pa.bool_(),
    "timestamptz": pa.timestamp("us", tz="UTC"),
}
_ZERO = pa.scalar(0.0)
_NO_NUMBER = pa.scalar(None, pa.float64())
_SYNONYMS = {"int": "bigint", "integer": "bigint", "float": "double", "varchar": "text", "bool": "boolean"}
_FIVE = frozenset(TYPES.values())


def normal(value: Value) -> Value:
    """A value as one of the five types; a float32 or an int16 would compute otherwise than what a request brings.

    Raises:
        TypeError: it is of none of them.
    """
    kind = value.type
    if kind in _FIVE:
        return value
    if pt.is_dictionary(kind):
        return normal(value.cast(kind.value_type))
    if pt.is_timestamp(kind) and kind.tz:
        return pc.floor_temporal(value, unit="microsecond").cast(TYPES["timestamptz"])
    for holds, name in (
        (pt.is_boolean, "boolean"),
        (pt.is_integer, "bigint"),
        (lambda one: pt.is_floating(one) or pt.is_decimal(one), "double"),
        (lambda one: pt.is_string(one) or pt.is_large_string(one) or pt.is_string_view(one), "text"),
    ):
        if holds(kind):
            return value.cast(TYPES[name])
    raise TypeError(str(kind))


def cast(value: Value, type_name: str) -> Value:
    """A value as a named type; a double becomes the nearest integer, halves the even one.

    Raises:
        ParameterError: the type has no such name.
        pa.ArrowInvalid: a text is no such value.
    """
    name = _SYNONYMS.get(type_name, type_name)
    if name not in TYPES:
        raise ParameterError(f"{type_name!r} is no type", next_step=f"there are {', '.join(TYPES)}")
    if pt.is_floating(value.type) and name == "bigint":
        value = pc.round(value, round_mode="half_to_even")
    return as_type(value, TYPES[name])


def as_type(value: Value, type_: pa.DataType) -> Value:
    """A value cast to a type; itself where it has it, since a cast takes as long as most functions of one row."""
    return value if value.type == type_ else value.cast(type_)


def unified(values: list[Value]) -> list[Value]:
    """Values of one type: bigint becomes double where both occur, null what the others are.

    Raises:
        TypeError: they have different types otherwise.
    """
    kinds = {value.type for value in values if not pt.is_null(value.type)}
    if kinds == {pa.int64(), pa.float64()}:
        kinds = {pa.float64()}
    if len(kinds) > 1:
        raise TypeError(" and ".join(sorted(map(str, kinds))))
    target = kinds.pop() if kinds else pa.float64()
    return [as_type(value, target) for value in values]


def apply(name: str, values: list[Value]) -> Value:
    """The result of a function or operator.

    Raises:
        ParameterError: there is none of this name, or not for these arguments.
    """
    if name not in FUNCTIONS:
        from tidewheel.core.errors import suggest

        raise ParameterError(f"there is no function {name!r}", next_step=suggest(name, FUNCTIONS, "function"))
    try:
        return FUNCTIONS[name](*values)
    except (TypeError, pa.ArrowNotImplementedError) as error:
        kinds = ", ".join(str(value.type) for value in values)
        raise ParameterError(f"{name} cannot be computed of {kinds}: {str(error).splitlines()[0]}") from None


def _numeric(function: Callable[..., Value]) -> Callable[..., Value]:
    def compute(left: Value, right: Value) -> Value:
        return function(*unified([_number(left), _number(right)]))

    return compute


def _real(function: Callable[..., Value]) -> Callable[..., Value]:
    def compute(*values: Value) -> Value:
        return function(*(as_type(_number(value), TYPES["double"]) for value in values))

    return compute


def _number(value: Value) -> Value:
    if pt.is_null(value.type):
        return value.cast(pa.float64())
    if not (pt.is_integer(value.type) or pt.is_floating(value.type)):
        raise TypeError(f"{value.type} is no number")
    return value


def _of_text(function: Callable[[Value], Value]) -> Callable[[Value], Value]:
    def compute(value: Value) -> Value:
        found = function(value.cast(pa.string()) if pt.is_null(value.type) else value)
        return as_type(found, TYPES["bigint"]) if pt.is_integer(found.type) else found

    return compute


def _compared(function: Callable[[Value, Value], Value]) -> Callable[[Value, Value], Value]:
    def compute(left: Value, right: Value) -> Value:
        return function(*unified([left, right]))

    return compute


def _logical(function: Callable[..., Value]) -> Callable[..., Value]:
    def compute(*values: Value) -> Value:
        return function(*(value.cast(pa.bool_()) if pt.is_null(value.type) else value for value in values))

    return compute


def _remainder(left: Value, right: Value) -> Value:
    if not (pt.is_integer(left.type) and pt.is_integer(right.type)):
        raise TypeError("a remainder is of integers")
    divisor = pc.if_else(pc.equal(right, 0), pa.scalar(None, pa.int64()), right)
    return pc.subtract(left, pc.multiply(pc.divide(left, divisor), divisor))


def _quotient(left: Value, right: Value) -> Value:
    if isinstance(right, pa.Scalar):
        return pc.divide(left, right if right.as_py() else _NO_NUMBER)
    return pc.divide(left, pc.if_else(pc.equal(right, _ZERO), _NO_NUMBER, right))


def _case(*parts: Value) -> Value:
    rest = parts[-1]
    values = unified([*parts[1:-1:2], rest])
    result = values[-1]
    for condition, value in zip(reversed(parts[:-1:2]), reversed(values[:-1]), strict=True):
        is_met = pc.fill_null(as_type(condition, TYPES["boolean"]), fill_value=False)
        result = pc.if_else(is_met, value, result)
    return result


def _nullif(left: Value, right: Value) -> Value:
    left, right = unified([left, right])
    is_equal = pc.fill_null(pc.equal(left, right), fill_value=False)
    return pc.if_else(is_equal, pa.scalar(None, left.type), left)


def _part(function: Callable[[Value], Value]) -> Callable[..., Value]:
    def compute(*arguments: Value) -> Value:
        """Of a time, in UTC or in the zone that stands before it."""
        zone, moment = ("UTC", arguments[0]) if len(arguments) == 1 else (arguments[0].as_py(), arguments[1])
        return as_type(function(as_type(moment, _clock(zone))), TYPES["bigint"])

    return compute


@cache
def _clock(zone: str) -> pa.DataType:
    return pa.timestamp("us", tz=zone)


def _epoch(moment: Value) -> Value:
    return pc.divide(moment.cast(pa.int64()).cast(pa.float64()), 1e6)


FUNCTIONS: dict[str, Callable[..., Value]] = {
    "+": _numeric(pc.add_checked),
    "-": _numeric(pc.subtract_checked),
    "*": _numeric(pc.multiply_checked),
    "/": _real(_quotient),
    "%": _remainder,
    "negate": lambda value: pc.negate_checked(_number(value)),
    "=": _compared(pc.equal),
    "<>": _compared(pc.not_equal),
    "<": _compared(pc.less),
    "<=": _compared(pc.less_equal),
    ">": _compared(pc.greater),
    ">=": _compared(pc.greater_equal),
    "and": _logical(pc.and_kleene),
    "or": _logical(pc.or_kleene),
    "not": _logical(pc.invert),
    "is null": pc.is_null,
    "||": lambda left, right: pc.binary_join_element_wise(*unified([left, right]), ""),
    "case": _case,
    "coalesce": lambda *values: pc.coalesce(*unified(list(values))),
    "nullif": _nullif,
    "greatest": lambda *values: pc.max_element_wise(*unified(list(values))),
    "least": lambda *values: pc.min_element_wise(*unified(list(values))),
    "abs": lambda value: pc.abs_checked(_number(value)),
    "floor": _real(pc.floor),
    "ceil": _real(pc.ceil),
    "round": _real(lambda value: pc.round(value, round_mode="half_towards_infinity")),
    "sqrt": _real(pc.sqrt_checked),
    "exp": _real(pc.exp),
    "ln": _real(pc.ln_checked),
    "log10": _real(pc.log10_checked),
    "log2": _real(pc.log2_checked),
    "power": _real(pc.power),
    "sin": _real(pc.sin),
    "cos": _real(pc.cos),
    "tan": _real(pc.tan),
    "atan2": _real(pc.atan2),
    "lower": _of_text(pc.utf8_lower),
    "upper": _of_text(pc.utf8_upper),
    "trim": _of_text(lambda value: pc.utf8_trim(value, characters=" ")),
    "length": _of_text(pc.utf8_length),
    "year": _part(pc.year),
    "month": _part(pc.month),
    "day": _part(pc.day),
    "hour": _part(pc.hour),
    "minute": _part(pc.minute),
    "isodow": _part(lambda moment: pc.day_of_week(moment, count_from_zero=False)),
    "epoch": _epoch,
}
