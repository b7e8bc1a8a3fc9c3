"""Iceberg schemas: their Arrow form, their identity, and how one may change into another."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from pyiceberg.exceptions import ResolveError
from pyiceberg.io.pyarrow import schema_to_pyarrow
from pyiceberg.schema import Schema, promote
from pyiceberg.table import Transaction
from pyiceberg.types import PrimitiveType

from tidewheel.core.digest import digest_value
from tidewheel.core.errors import SchemaMismatchError
from tidewheel.table_store.arrow_types import check_case, table_schema


def arrow_schema(schema: Schema) -> pa.Schema:
    """The Arrow schema that readers of a table get and that writers are cast to."""
    return table_schema(schema_to_pyarrow(schema, include_field_ids=False))


def schema_key(schema: Schema) -> str:
    """The identity of a file's layout: field ids, names and types in order; whether nulls are allowed is left out."""
    return digest_value("table layout", [[f.field_id, f.name, str(f.field_type)] for f in schema.fields])


def schema_identity(schema: Schema) -> list[list[Any]]:
    """What of a schema enters a snapshot's digest."""
    return [[f.field_id, f.name, str(f.field_type), f.required] for f in schema.fields]


def evolve_schema(transaction: Transaction, wanted: pa.Schema, *, where: str) -> bool:
    """Stages the change that lets a table hold `wanted` too: new columns allow nulls, types only widen.

    Returns:
        Whether anything changes.

    Raises:
        SchemaMismatchError: every column whose type cannot become the wanted one without loss.
    """
    before = transaction.table_metadata.schema()
    update = transaction.update_schema()
    # PyIceberg gives the new fields ids by name, and knows nothing of ours.
    new = transaction._table.catalog._convert_schema_if_needed(wanted)
    problems = [problem for field in new.fields if (problem := _misfit(before, field.name, field.field_type))]
    if problems:
        raise SchemaMismatchError(
            "; ".join(problems), where=where, next_step="add a column of another name, or make a new table"
        )
    known = {field.name: field for field in before.fields}
    check_case(dict.fromkeys([*known, *wanted.names]))
    changed = False
    for field in new.fields:
        if field.name not in known:
            update.add_column(field.name, field.field_type)
        elif known[field.name].field_type != field.field_type and _widens(
            known[field.name].field_type, field.field_type
        ):
            update.update_column(field.name, field.field_type)
        else:
            continue
        changed = True
    if changed:
        update.commit()
    return changed


def _misfit(schema: Schema, name: str, wanted: Any) -> str:
    current = next((field.field_type for field in schema.fields if field.name == name), None)
    if current is None or current == wanted or _widens(current, wanted) or _widens(wanted, current):
        return ""
    if _same_shape(current, wanted):
        return ""
    return f"column {name!r} is {current} and cannot become {wanted}"


def _same_shape(current: Any, wanted: Any) -> bool:
    """Nested types are compared without the ids of their fields, which differ before they are assigned."""
    if isinstance(current, PrimitiveType) or isinstance(wanted, PrimitiveType):
        return False
    left = schema_to_pyarrow(current, include_field_ids=False)
    return bool(left == schema_to_pyarrow(wanted, include_field_ids=False))


def _widens(current: Any, wanted: Any) -> bool:
    if not isinstance(current, PrimitiveType) or not isinstance(wanted, PrimitiveType):
        return False
    try:
        return bool(promote(current, wanted) == wanted)
    except ResolveError:
        return False
