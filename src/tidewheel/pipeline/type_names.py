"""Types as names, so that a plan can be read without importing what they come from."""

from __future__ import annotations

import dataclasses
import enum
import types
import typing
from typing import Any

ANY = ("object",)


def type_names(annotation: Any) -> tuple[str, ...]:
    """The qualified names of a type along its MRO; of a generic its origin's; `object` alone when it says nothing.

    Example:
        >>> type_names(bool)
        ('bool', 'int', 'object')
        >>> type_names(list[int])
        ('list', 'object')
    """
    if annotation is None:
        annotation = type(None)
    if annotation is Any:  # a class since Python 3.11
        return ANY
    candidate = typing.get_origin(annotation) or annotation
    if candidate in (typing.Union, types.UnionType):
        members = [one for one in typing.get_args(annotation) if one is not type(None)]
        return type_names(members[0]) if len(members) == 1 else ANY
    if candidate is typing.Annotated:
        return type_names(typing.get_args(annotation)[0])
    if not isinstance(candidate, type):
        return ANY
    return (*_traits(candidate), *(_name(one) for one in candidate.__mro__))


def told(annotation: Any) -> str:
    """A type as one would write it.

    Example:
        >>> import enum
        >>> told(dict[str, int]), told(None), told(enum.Enum)
        ('dict[str, int]', 'None', 'Enum')
    """
    if annotation is None or annotation is type(None):
        return "None"
    # A class with a metaclass of its own is one too; `dict[str, int]` is none.
    return annotation.__name__ if isinstance(annotation, type) else str(annotation).replace("typing.", "")


def _name(one: type) -> str:
    return one.__qualname__ if one.__module__ == "builtins" else f"{one.__module__}.{one.__qualname__}"


def _traits(one: type) -> tuple[str, ...]:
    if dataclasses.is_dataclass(one):
        return (_name(one), "dataclass")
    if issubclass(one, enum.Enum):
        return (_name(one), "enum")
    if issubclass(one, tuple) and hasattr(one, "_fields"):
        return (_name(one), "namedtuple")
    return ()
