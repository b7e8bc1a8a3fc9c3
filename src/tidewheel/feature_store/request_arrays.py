"""Values of a request as Arrow arrays, in which on-demand features are computed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from tidewheel.core.errors import SchemaMismatchError
from tidewheel.feature_store.expression_functions import TYPES
from tidewheel.feature_store.stored_types import StoredColumn

_TYPES = {"boolean": "boolean", "integer": "bigint", "float": "double", "text": "text", "instant": "timestamptz"}


def arrays_of(columns: Mapping[str, Sequence[Any]], rows: int) -> dict[str, Any]:
    """What a request brings; the declared types of inputs are looked at where they are used.

    Raises:
        SchemaMismatchError: a column has values of several types, or not one per entity.
    """
    arrays = {}
    for name, values in columns.items():
        if len(values) != rows:
            raise SchemaMismatchError(f"column {name!r} has {len(values)} values for {rows} entities", where="request")
        try:
            arrays[name] = pa.array(values)
        except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
            raise SchemaMismatchError(f"column {name!r} is no column: {error}", where="request") from None
    return arrays


def typed_arrays(columns: Iterable[StoredColumn], values: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """Stored features in the types in which they are computed with; a column of nulls has its type too."""
    arrays = {}
    for column in columns:
        if column.kind == "decimal":
            precision, scale = map(int, re.findall(r"\((\d+), (-?\d+)\)", column.type_name)[0])
            arrays[column.name] = pa.array(values[column.name], pa.decimal128(precision, scale))
        elif column.kind in _TYPES:
            arrays[column.name] = pa.array(values[column.name], TYPES[_TYPES[column.kind]])
    return arrays


def typed_array(name: str, values: Sequence[Any], type_name: str) -> Any:
    """Values of a declared type.

    Raises:
        SchemaMismatchError: a value is of another one.
    """
    try:
        return pa.array(values, TYPES[type_name])
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
        raise SchemaMismatchError(f"column {name!r} is no {type_name}: {error}", where="request") from None


def kind_of(found: Any) -> str:
    """How a computed column would be stored; Arrow's name of its type where it would not."""
    return next((kind for kind, name in _TYPES.items() if TYPES[name] == found), str(found))
