"""Typed parameters: from the command line's text and from Python's values to JSON, and back in the worker."""

from __future__ import annotations

import inspect
import math
import types
import typing
from collections.abc import Callable, Collection, Mapping
from typing import Any

import msgspec

from tidewheel.core.errors import ParameterError, ParametersError, suggest
from tidewheel.core.records.record import Record
from tidewheel.pipeline.type_names import told

_TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


class Parameter(Record, frozen=True, kw_only=True):
    """A declared parameter.

    Attributes:
        annotation: its type as it is written.
        default: as JSON; None also when there is none.
        is_required: whether it has no default.
    """

    name: str
    annotation: str
    default: Any = None
    is_required: bool = False

    def __str__(self) -> str:
        return f"{self.name}: {self.annotation}" + ("" if self.is_required else f" = {self.default!r}")


def declared_parameters(function: Callable[..., Any]) -> tuple[Parameter, ...]:
    """The keyword-only parameters of a function."""
    hints = typing.get_type_hints(function)
    return tuple(
        Parameter(
            name=name,
            annotation=told(hints.get(name, Any)),
            default=None if one.default is inspect.Parameter.empty else to_json(one.default),
            is_required=one.default is inspect.Parameter.empty,
        )
        for name, one in inspect.signature(function).parameters.items()
        if one.kind is inspect.Parameter.KEYWORD_ONLY
    )


def parse_parameters(
    function: Callable[..., Any], given: Mapping[str, Any], *, elsewhere: Collection[str] = ()
) -> dict[str, Any]:
    """Typed values for a function's keyword-only parameters, defaults filled in.

    Args:
        function: a pipeline's or step's function.
        given: values, or text as it comes from a command line.
        elsewhere: parameters that get their values in another way, and are left out of the result.

    Raises:
        ParametersError: with all problems at once.

    Example:
        >>> def training(*, rounds: int = 200, fast: bool = False): ...
        >>> parse_parameters(training, {"rounds": "50"})
        {'rounds': 50, 'fast': False}
    """
    hints = typing.get_type_hints(function)
    declared = {
        name: one
        for name, one in inspect.signature(function).parameters.items()
        if one.kind is inspect.Parameter.KEYWORD_ONLY
    }
    problems = [
        f"unknown parameter {name!r}: {suggest(name, declared, 'parameter')} @ {name}"
        for name in (*given, *elsewhere)
        if name not in declared
    ]
    values: dict[str, Any] = {}
    for name, one in declared.items():
        if name in elsewhere:
            continue
        if name not in given:
            if one.default is inspect.Parameter.empty:
                problems.append(f"missing: a {told(hints.get(name, Any))} @ {name}")
            else:
                values[name] = one.default
            continue
        try:
            values[name] = bind_value(given[name], hints.get(name, Any))
        except ParameterError as error:
            problems.append(f"{error.what} @ {name}")
    if problems:
        raise ParametersError(
            f"parameters of {function.__name__} are wrong", problems, next_step="see `tidewheel plan` for what there is"
        )
    return values


def bind_parameters(function: Callable[..., Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """JSON values as the types that a function's annotations say."""
    hints = typing.get_type_hints(function)
    return {name: bind_value(value, hints.get(name, Any)) for name, value in parameters.items()}


def bind_value(value: Any, annotation: Any) -> Any:
    """One value as the annotated type; text is parsed.

    Raises:
        ParameterError: it is not of that type.

    Example:
        >>> import datetime
        >>> bind_value("2013-04-01", datetime.date)
        datetime.date(2013, 4, 1)
    """
    try:
        if isinstance(value, str):
            return _parse(value, annotation)
        return msgspec.convert(to_json(value), annotation, strict=True, str_keys=True)
    except (msgspec.ValidationError, TypeError, ValueError) as error:
        detail = f": {str(error).split(' - at')[0]}" if isinstance(error, msgspec.ValidationError) else ""
        raise ParameterError(f"{value!r} is no {told(annotation)}{detail}") from None


def to_json(value: Any) -> Any:
    """A value as JSON types: dates as ISO 8601 text, enums by value, keys as text; sets and dicts in sorted order.

    Raises:
        TypeError: it has no JSON form that reads back as the same value: NaN, infinity and integers of more than 64
            bits have none.
    """
    plain = msgspec.to_builtins(value, str_keys=True, order="deterministic")
    return _check(plain)


def _check(plain: Any) -> Any:
    if isinstance(plain, dict):
        return {key: _check(one) for key, one in plain.items()}
    if isinstance(plain, list | tuple):
        return [_check(one) for one in plain]
    if isinstance(plain, float) and not math.isfinite(plain):
        raise TypeError(f"{plain} has no JSON form")
    if isinstance(plain, int) and not -(2**63) <= plain < 2**64:
        raise TypeError("an integer of more than 64 bits has no JSON form that every reader keeps")
    return plain


def _parse(text: str, annotation: Any) -> Any:
    members = _members(annotation)
    if type(None) in members and text.lower() in ("none", "null"):
        return None
    if str in members or annotation is Any:
        return msgspec.convert(text, annotation)
    if bool in members and text.lower() in _TRUTH:
        return _TRUTH[text.lower()]
    if text[:1] in "[{":
        return msgspec.convert(msgspec.json.decode(text.encode()), annotation, strict=True, str_keys=True)
    value = msgspec.convert(text, annotation, strict=False)
    to_json(value)  # text such as "nan" is a float, but none that a plan can hold
    return value


def _members(annotation: Any) -> tuple[Any, ...]:
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return typing.get_args(annotation)
    return (annotation,)
