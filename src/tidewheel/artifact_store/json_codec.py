"""JSON values, and the small classes that people make of them.

The file is one JSON document with sorted keys. What JSON has no word for is an object with one key that starts with
`$`: `{"$tuple": [1, 2]}`, `{"$float": "nan"}`, `{"$dataclass": {"type": "shop.Basket", "fields": {...}}}`. Order is no
part of a dict's equality, so keys come back sorted.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, BinaryIO

from tidewheel.artifact_store.json_reading import JsonReader, fit
from tidewheel.artifact_store.json_writing import JsonWriter
from tidewheel.core.errors import ParameterError, TidewheelError, UnreadableFileError


class JsonCodec:
    """Stores None, bool, int, float, str, bytes, list, tuple, set, dict with string keys, dates and times, Decimal,
    UUID, dataclasses, NamedTuples, `msgspec.Struct`, Enums and `Metrics`, nested at will. Numbers of numpy become
    Python's.

    A class comes back as itself when its module is loaded, or when the reader declares it; else as a plain dict. No
    module is ever imported, and nothing but such a data class ever built, because a file says so.
    """

    name = "json"
    version = 1

    def encode(self, value: Any, stream: BinaryIO) -> dict[str, Any]:
        """Writes the document.

        Raises:
            CodecNotFoundError: a part of the value has another type; `where` is its path, such as `$.a[3]`.
            ParameterError: a key is no string, or the value contains itself.
        """
        try:
            text = to_text(value)
        except RecursionError:
            raise ParameterError("the value is nested too deeply", next_step="store it in a flatter form") from None
        stream.write(text.encode("utf-8", "surrogatepass"))
        return {"length": len(value)} if isinstance(value, list | tuple | dict | set | frozenset) else {}

    def decode(self, path: Path, as_type: Any = None) -> Any:
        """The value, fitted to `as_type`.

        Raises:
            SchemaMismatchError: it does not fit, or the stored class has other fields by now.
            UnreadableFileError: the file is no document of this codec.
        """
        try:
            return from_text(path.read_bytes().decode("utf-8", "surrogatepass"), as_type)
        except TidewheelError:
            raise
        except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError) as error:
            raise UnreadableFileError(
                f"this is no stored JSON value: {error}", where=str(path), next_step="run the step that made it again"
            ) from error


def to_text(value: Any) -> str:
    """The canonical document of a value.

    Example:
        >>> to_text({"b": (1, 2.0), "a": float("inf")})
        '{"a":{"$float":"inf"},"b":{"$tuple":[1,2.0]}}'
    """
    plain = JsonWriter().plain(value, "$")
    return json.dumps(plain, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def from_text(text: str, as_type: Any = None) -> Any:
    """The value of a document.

    Example:
        >>> from_text('{"b":{"$tuple":[1,2.0]}}')
        {'b': (1, 2.0)}
    """
    document = json.loads(text)
    reader = JsonReader()
    value = reader.value(document)
    return value if as_type is None or as_type is Any else fit(value, document, reader, as_type)
