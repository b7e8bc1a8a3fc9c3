"""From plain JSON to Python values, without trusting a name that the file holds."""

from __future__ import annotations

import base64
import sys
from collections.abc import Callable
from typing import Any

from tidewheel.artifact_store.json_writing import field_names, kind_of
from tidewheel.core.errors import SchemaMismatchError
from tidewheel.core.metrics import Metrics

_MISMATCH = "run the step that made it again, or load it without a declared type"


class JsonReader:
    """Reads one document.

    Args:
        builds_classes: whether stored classes are looked up among the loaded modules; else they become dicts.

    Attributes:
        has_classes: the document holds a class of the user.
        has_strangers: one of them was not found, so a dict or a bare value stands for it.
    """

    def __init__(self, *, builds_classes: bool = True) -> None:
        self._builds_classes = builds_classes
        self.has_classes = False
        self.has_strangers = False

    def value(self, plain: Any) -> Any:
        """The Python value of a part of the document."""
        if isinstance(plain, list):
            return [self.value(item) for item in plain]
        if not isinstance(plain, dict):
            return plain
        if len(plain) == 1:
            tag, content = next(iter(plain.items()))
            if tag.startswith("$"):
                return self._tagged(tag, content)
        return {key: self.value(item) for key, item in plain.items()}

    def _tagged(self, tag: str, content: Any) -> Any:
        if tag in ("$dataclass", "$namedtuple", "$struct"):
            fields = {name: self.value(item) for name, item in content["fields"].items()}
            return self._instance(tag[1:], content["type"], fields)
        if tag == "$enum":
            return self._member(content["type"], self.value(content["value"]))
        if tag in ("$dict", "$metrics"):
            entries = {key: self.value(item) for key, item in content.items()}
            return Metrics(entries) if tag == "$metrics" else entries
        if tag in _SEQUENCES:
            return _SEQUENCES[tag](self.value(content))
        return _SCALARS[tag](content)

    def _instance(self, sort: str, type_name: str, fields: dict[str, Any]) -> Any:
        kind = self._find(sort, type_name)
        if kind is None:
            return tuple(fields.values()) if sort == "namedtuple" and not self._builds_classes else fields
        return build(kind, fields)

    def _member(self, type_name: str, value: Any) -> Any:
        kind = self._find("enum", type_name)
        if kind is None:
            return value
        try:
            return kind(value)
        except ValueError as error:
            raise SchemaMismatchError(f"{type_name} has no member {value!r} any more", next_step=_MISMATCH) from error

    def _find(self, sort: str, type_name: str) -> Any:
        self.has_classes = True
        found = find_loaded(type_name) if self._builds_classes else None
        if found is not None and kind_of(found) == sort:
            return found
        self.has_strangers = True
        return None


def find_loaded(type_name: str) -> type | None:
    """The class of that qualified name, if its module is loaded already.

    Example:
        >>> find_loaded("tidewheel.core.metrics.Metrics").__name__, find_loaded("no.such.Thing")
        ('Metrics', None)
    """
    parts = type_name.split(".")
    for length in range(len(parts) - 1, 0, -1):
        found: Any = sys.modules.get(".".join(parts[:length]))
        if found is None:
            continue
        for part in parts[length:]:
            found = getattr(found, part, None)
        return found if isinstance(found, type) else None
    return None


def build(kind: type, fields: dict[str, Any]) -> Any:
    """An instance with exactly these fields.

    Raises:
        SchemaMismatchError: the class has other fields by now, or refuses the values.
    """
    try:
        if set(fields) != set(field_names(kind)):
            raise TypeError(f"it has the fields {sorted(field_names(kind))}, stored were {sorted(fields)}")
        declared = getattr(kind, "__dataclass_fields__", {})
        late = {name: fields[name] for name in declared if name in fields and not declared[name].init}
        instance = kind(**{name: item for name, item in fields.items() if name not in late})
        for name, item in late.items():
            object.__setattr__(instance, name, item)
    except (TypeError, ValueError) as error:
        name = f"{kind.__module__}.{kind.__qualname__}"
        raise SchemaMismatchError(f"the stored value is no {name} any more: {error}", next_step=_MISMATCH) from error
    return instance


def fit(value: Any, document: Any, reader: JsonReader, as_type: Any) -> Any:
    """The value in the type that its reader declares; a type that says nothing about data leaves it as it is.

    Raises:
        SchemaMismatchError: the value does not fit.
    """
    if isinstance(as_type, type) and isinstance(value, as_type):
        return value
    if reader.has_classes and not reader.has_strangers:
        return value
    import msgspec

    plain = JsonReader(builds_classes=False).value(document)
    try:
        return msgspec.convert(plain, as_type, dec_hook=_passes)
    except msgspec.ValidationError as error:
        raise SchemaMismatchError(
            f"the stored value does not fit {as_type!r}: {error}",
            next_step="correct the annotation of the reader, or what the step returns",
        ) from error
    except TypeError:
        return value


def _passes(kind: type, value: Any) -> Any:
    """What msgspec does not know: `Metrics` from a dict, and values that are what they should be."""
    if kind is Metrics and isinstance(value, dict):
        return Metrics(value)
    if isinstance(value, kind):
        return value
    raise NotImplementedError


def _datetime(content: Any) -> Any:
    import datetime

    text, zone = (content, None) if isinstance(content, str) else content
    value = datetime.datetime.fromisoformat(text.removesuffix("@1")).replace(fold=int(text.endswith("@1")))
    if zone is None:
        return value
    import zoneinfo

    return value.replace(tzinfo=zoneinfo.ZoneInfo(zone))


def _date(content: Any) -> Any:
    import datetime

    return datetime.date.fromisoformat(content)


def _time(content: Any) -> Any:
    import datetime

    return datetime.time.fromisoformat(content.removesuffix("@1")).replace(fold=int(content.endswith("@1")))


def _timedelta(content: Any) -> Any:
    import datetime

    return datetime.timedelta(*content)


def _decimal(content: Any) -> Any:
    import decimal

    return decimal.Decimal(content)


def _uuid(content: Any) -> Any:
    import uuid

    return uuid.UUID(content)


_SEQUENCES: dict[str, Callable[[Any], Any]] = {"$tuple": tuple, "$set": set, "$frozenset": frozenset}
_SCALARS: dict[str, Callable[[Any], Any]] = {
    "$float": float,
    "$bytes": base64.b64decode,
    "$date": _date,
    "$datetime": _datetime,
    "$time": _time,
    "$timedelta": _timedelta,
    "$decimal": _decimal,
    "$uuid": _uuid,
}
