"""From Python values to plain JSON, with a path for what cannot be said."""

from __future__ import annotations

import base64
import math
import sys
from collections.abc import Callable
from typing import Any

from tidewheel.artifact_store.codec_table import qualified_name
from tidewheel.core.errors import CodecNotFoundError, ParameterError

_INTEGER_BITS = 14_280  # Python reads at most 4,300 digits back
_DICTS = {"builtins.dict", "collections.OrderedDict", "collections.defaultdict", "collections.Counter"}
_METRICS = "tidewheel.core.metrics.Metrics"


class JsonWriter:
    """One pass over one value."""

    def __init__(self) -> None:
        self._open: set[int] = set()

    def plain(self, value: Any, path: str) -> Any:
        """The value as JSON types."""
        kind = type(value)
        if value is None or kind is bool or kind is str:
            return value
        if kind is int:
            return _integer(value, path)
        if kind is float:
            return value if math.isfinite(value) else {"$float": repr(value)}
        if id(value) in self._open:
            raise ParameterError(
                "the value contains itself", where=path, next_step="store it in a form without cycles, such as ids"
            )
        self._open.add(id(value))
        try:
            return self._compound(value, kind, path)
        finally:
            self._open.discard(id(value))

    def _compound(self, value: Any, kind: type[Any], path: str) -> Any:
        name = qualified_name(kind)
        if kind is list:
            return self._items(value, path)
        if name in _DICTS:
            return _escaped(self._entries(value, path))
        if name == _METRICS:
            return {"$metrics": self._entries(value, path)}
        if kind is tuple:
            return {"$tuple": self._items(value, path)}
        if kind is set or kind is frozenset:
            return {f"${kind.__name__}": self._sorted(value, path)}
        if name in _SCALARS:
            return _SCALARS[name](value, path)
        return self._instance(value, kind, path)

    def _instance(self, value: Any, kind: type[Any], path: str) -> Any:
        """An Enum member, a data class of some sort, or a number of numpy."""
        if kind_of(kind) == "enum":
            return {"$enum": {"type": qualified_name(kind), "value": self.plain(value.value, path)}}
        if kind in _numpy_scalars():
            return self.plain(value.item(), path)
        sort = kind_of(kind)
        if sort is None:
            raise CodecNotFoundError(
                f"type {qualified_name(kind)} has no codec inside a JSON value",
                where=path,
                next_step="make it a dataclass, NamedTuple or msgspec.Struct of JSON types, or return it as an output "
                "of its own",
            )
        fields = {name: self.plain(getattr(value, name), f"{path}.{name}") for name in field_names(kind)}
        return {f"${sort}": {"type": qualified_name(kind), "fields": fields}}

    def _items(self, values: Any, path: str) -> list[Any]:
        return [self.plain(item, f"{path}[{index}]") for index, item in enumerate(values)]

    def _entries(self, entries: dict[Any, Any], path: str) -> dict[str, Any]:
        result = {}
        for key, item in entries.items():
            if type(key) is not str:
                raise ParameterError(
                    f"the dict has the key {key!r} of type {qualified_name(type(key))}; JSON keys are strings",
                    where=path,
                    next_step="use str(key), or store a list of (key, value) pairs",
                )
            result[key] = self.plain(item, f"{path}.{key}")
        return result

    def _sorted(self, values: Any, path: str) -> list[Any]:
        import json

        plain = (self.plain(item, f"{path}{{}}") for item in values)
        return sorted(plain, key=lambda item: json.dumps(item, sort_keys=True))


def kind_of(kind: type) -> str | None:
    """Which sort of data class this is, if any; the sorts that `JsonReader` will build."""
    if "enum" in sys.modules and issubclass(kind, sys.modules["enum"].Enum):
        return "enum"
    if "__dataclass_fields__" in vars(kind):
        return "dataclass"
    if issubclass(kind, tuple) and isinstance(getattr(kind, "_fields", None), tuple):
        return "namedtuple"
    if "msgspec" in sys.modules and issubclass(kind, sys.modules["msgspec"].Struct):
        return "struct"
    return None


def field_names(kind: type) -> tuple[str, ...]:
    """The fields of a dataclass, NamedTuple or Struct; class variables and init-only ones are none."""
    if "__dataclass_fields__" in vars(kind):
        fields = kind.__dataclass_fields__.values()  # type: ignore[attr-defined]
        return tuple(field.name for field in fields if field._field_type.name == "_FIELD")
    names: tuple[str, ...] = kind.__struct_fields__ if hasattr(kind, "__struct_fields__") else kind._fields  # type: ignore[attr-defined]
    return names


def _integer(value: int, path: str) -> int:
    if value.bit_length() > _INTEGER_BITS:
        raise ParameterError("an integer has some 4,300 digits or more", where=path, next_step="store it as bytes")
    return value


def _escaped(entries: dict[str, Any]) -> dict[str, Any]:
    """A user's own dict that looks like a tag is wrapped in one."""
    return {"$dict": entries} if len(entries) == 1 and next(iter(entries)).startswith("$") else entries


def _numpy_scalars() -> tuple[type, ...]:
    """The types of numpy whose values Python's own bool, int, float and str hold exactly; none if it is not loaded."""
    numpy = sys.modules.get("numpy")
    if numpy is None:
        return ()
    integers = (
        numpy.int8,
        numpy.int16,
        numpy.int32,
        numpy.int64,
        numpy.uint8,
        numpy.uint16,
        numpy.uint32,
        numpy.uint64,
    )
    return (numpy.bool_, numpy.str_, numpy.float16, numpy.float32, numpy.float64, *integers)


def _datetime(value: Any, path: str) -> Any:
    zone = value.tzinfo
    key = _zone_key(zone, path)
    text = value.isoformat() + ("@1" if value.fold else "")
    return {"$datetime": text if key is None else [text, key]}


def _zone_key(zone: Any, path: str) -> str | None:
    """The name of a zone by rules; None where the offset in the text says all."""
    if zone is None or qualified_name(type(zone)) == "datetime.timezone":
        return None
    key: str | None = getattr(zone, "key", None)
    if qualified_name(type(zone)) != "zoneinfo.ZoneInfo" or key is None:
        raise _zone_error(zone, path)
    return key


def _time(value: Any, path: str) -> Any:
    if value.tzinfo is not None and qualified_name(type(value.tzinfo)) != "datetime.timezone":
        raise _zone_error(value.tzinfo, path)
    return {"$time": value.isoformat() + ("@1" if value.fold else "")}


def _zone_error(zone: Any, path: str) -> CodecNotFoundError:
    return CodecNotFoundError(
        f"time zone {zone!r} has no stored form", where=path, next_step="use datetime.UTC or zoneinfo.ZoneInfo(name)"
    )


_SCALARS: dict[str, Callable[[Any, str], Any]] = {
    "builtins.bytes": lambda value, path: {"$bytes": base64.b64encode(value).decode()},
    "datetime.date": lambda value, path: {"$date": value.isoformat()},
    "datetime.datetime": _datetime,
    "datetime.time": _time,
    "datetime.timedelta": lambda value, path: {"$timedelta": [value.days, value.seconds, value.microseconds]},
    "decimal.Decimal": lambda value, path: {"$decimal": str(value)},
    "uuid.UUID": lambda value, path: {"$uuid": str(value)},
}
