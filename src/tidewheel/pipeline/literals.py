"""Data arguments that are written into a pipeline: from JSON in the plan back to what the step's annotation says."""

from __future__ import annotations

import types
import typing
from typing import Any

import msgspec

from tidewheel.core.errors import ParameterError
from tidewheel.pipeline.parameters import to_json
from tidewheel.pipeline.ref import Ref
from tidewheel.pipeline.tracing import holds_refs
from tidewheel.pipeline.type_names import told

_SEQUENCES = (list, tuple, set, frozenset)


def bind_literal(value: Any, annotation: Any) -> Any:
    """A JSON value as the annotated type; None, and what an annotation says nothing about, stays as it is.

    Raises:
        ParameterError: it is not of that type.

    Example:
        >>> import datetime
        >>> bind_literal("2013-04-01", datetime.date), bind_literal([1, 2], tuple[int, int])
        (datetime.date(2013, 4, 1), (1, 2))
    """
    if value is None or annotation is None or annotation is Any:
        return value
    try:
        return msgspec.convert(value, annotation, strict=True, str_keys=True)
    except (msgspec.ValidationError, TypeError, ValueError, NotImplementedError) as error:
        if _is_instance(value, annotation):  # an abstract class such as Iterable, of which a list is one
            return value
        raise ParameterError(f"{value!r} is no {told(annotation)}: {str(error).split(' - at')[0]}") from None


def check_literal(value: Any, annotation: Any) -> None:
    """Holds what a worker will be given against what was written.

    Raises:
        ParameterError: it is not of the annotated type, or the annotation does not say the class that it has.
        TypeError: it is no JSON value.

    Example:
        >>> import datetime
        >>> check_literal(datetime.date(2013, 4, 1), typing.Any)
        Traceback (most recent call last):
        ...
        tidewheel.core.errors.ParameterError: it is a date, but would reach the step as str
          next:  annotate the argument with date
    """
    given = bind_literal(to_json(value), annotation)
    if not _is_same(value, given):
        kind, other = type(value).__name__, type(given).__name__
        if kind == other:
            raise ParameterError(f"a part of {value!r} would reach the step as another type: {given!r}")
        raise ParameterError(
            f"it is a {kind}, but would reach the step as {other}", next_step=f"annotate the argument with {kind}"
        )


def check_argument(value: Any, annotation: Any) -> None:
    """Holds the literals of a data argument, also those beside outputs of steps, against the annotation.

    Raises:
        ParameterError: see `check_literal`; or it is a NamedTuple of outputs and not annotated so.
        TypeError: a literal is no JSON value.
    """
    if isinstance(value, Ref):
        return
    if not holds_refs(value):
        check_literal(value, annotation)
    elif isinstance(value, dict):
        for one in value.values():
            check_argument(one, entry_annotation(annotation))
    else:
        wanted, kind = _sequence_type(annotation), type(value)
        if is_named_tuple(kind) and getattr(wanted, "_fields", None) != getattr(value, "_fields", ()):
            raise ParameterError(
                f"it is a {kind.__name__}, but would reach the step as {told(wanted)}",
                next_step=f"annotate the argument with {kind.__name__}",
            )
        for one, expected in zip(value, item_annotations(annotation, len(value)), strict=True):
            check_argument(one, expected)


def build_items(items: typing.Sequence[Any], annotation: Any) -> Any:
    """Loaded elements as the tuple, NamedTuple or list that the annotation says; a list without one.

    Example:
        >>> build_items([1, 2], tuple[int, ...]), build_items([1, 2], None)
        ((1, 2), [1, 2])
    """
    wanted = _sequence_type(annotation)
    if is_named_tuple(wanted):
        return wanted(*items)
    return tuple(items) if (typing.get_origin(wanted) or wanted) is tuple else list(items)


def item_annotations(annotation: Any, count: int) -> list[Any]:
    """The annotation of each of `count` elements; None where nothing is said.

    Example:
        >>> item_annotations(list[int], 2), item_annotations(tuple[int, str], 2)
        ([<class 'int'>, <class 'int'>], [<class 'int'>, <class 'str'>])
    """
    wanted = _sequence_type(annotation)
    if is_named_tuple(wanted):
        hints = typing.get_type_hints(wanted)
        found = [hints.get(name) for name in wanted._fields]
    elif typing.get_origin(wanted) is tuple and Ellipsis not in typing.get_args(wanted):
        found = list(typing.get_args(wanted))
    else:
        found = list(typing.get_args(wanted))[:1] * count
    return (found + [None] * count)[:count]


def entry_annotation(annotation: Any) -> Any:
    """The annotation of a dict's values; None when nothing is said.

    Example:
        >>> entry_annotation(dict[str, int]), entry_annotation(dict)
        (<class 'int'>, None)
    """
    found = next((args for one in _members(annotation) if len(args := typing.get_args(one)) == 2), None)
    return found[1] if found else None


def is_named_tuple(annotation: Any) -> bool:
    """Whether it is a class made by NamedTuple."""
    return isinstance(annotation, type) and issubclass(annotation, tuple) and hasattr(annotation, "_fields")


def _sequence_type(annotation: Any) -> Any:
    """The member of a union that stands for several values, else the annotation itself."""
    members = _members(annotation)
    several = [one for one in members if is_named_tuple(one) or (typing.get_origin(one) or one) in (list, tuple)]
    return several[0] if several else annotation


def _members(annotation: Any) -> tuple[Any, ...]:
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return typing.get_args(annotation)
    return (annotation,)


def _is_instance(value: Any, annotation: Any) -> bool:
    classes = tuple(kind for one in _members(annotation) if isinstance(kind := typing.get_origin(one) or one, type))
    return isinstance(value, classes)


def _is_same(value: Any, given: Any) -> bool:
    """Equal, and of a class that behaves alike: sequences count as one kind, and so do numbers."""
    if isinstance(value, dict):
        return isinstance(given, dict) and all(_is_same(one, given.get(str(key))) for key, one in value.items())
    if type(value) in _SEQUENCES and isinstance(given, _SEQUENCES):
        return len(value) == len(given) and (isinstance(value, set | frozenset) or all(map(_is_same, value, given)))
    if isinstance(value, int | float) and isinstance(given, int | float):
        return value == given
    return type(value) is type(given) and bool(value == given)
