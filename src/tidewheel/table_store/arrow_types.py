"""Arrow types as tables hold them, and the casting of data to them.

A table knows fewer types than Arrow: one kind of string, times in microseconds, no unsigned numbers. `table_type` gives
the one that holds a given type without loss; `conform` casts data to a schema only where no value changes, and names
column, row and value where one would.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from tidewheel.core.errors import SchemaMismatchError, suggest

_UTC = "UTC"


def table_schema(schema: pa.Schema) -> pa.Schema:
    """The schema of a table that holds such data.

    Raises:
        SchemaMismatchError: types that no table holds, or a name that occurs twice; all of them are named.

    Example:
        >>> print(table_schema(pa.schema({"n": pa.uint16(), "at": pa.timestamp("ns")})))
        n: int32
        at: timestamp[us]
    """
    twice = sorted({name for name in schema.names if schema.names.count(name) > 1})
    if twice:
        raise SchemaMismatchError(
            f"columns occur more than once: {', '.join(map(repr, twice))}", next_step="give each column its own name"
        )
    problems, fields = [], []
    for field in schema:
        try:
            fields.append(pa.field(field.name, table_type(field.type), field.nullable))
        except TypeError as error:
            problems.append(f"column {field.name!r} is {error}")
    if problems:
        fitting = (
            " (uint64 to int64, or to decimal128(20, 0) for larger numbers)" if pa.uint64() in schema.types else ""
        )
        raise SchemaMismatchError(
            f"no table holds these types: {'; '.join(problems)}", next_step=f"cast or drop these columns{fitting}"
        )
    return pa.schema(fields)


def check_case(names: Iterable[str]) -> None:
    """Refuses names that differ only in case: SQL takes them for one.

    Raises:
        SchemaMismatchError: all of them are named.
    """
    known: dict[str, list[str]] = {}
    for name in names:
        known.setdefault(name.casefold(), []).append(name)
    if alike := [" and ".join(map(repr, same)) for same in known.values() if len(same) > 1]:
        raise SchemaMismatchError(
            f"columns differ only in case, which SQL does not see: {', '.join(alike)}",
            next_step="give each column its own name",
        )


def table_type(type_: pa.DataType) -> pa.DataType:
    """The type of a table's column for values of an Arrow type; all nulls become text.

    Raises:
        TypeError: there is none; the message is the type.
    """
    for holds, target in _SCALARS:
        if holds(type_):
            return target
    if pt.is_timestamp(type_):
        return pa.timestamp("us", tz=_UTC if type_.tz else None)
    if pt.is_dictionary(type_) or pt.is_run_end_encoded(type_):
        return table_type(type_.value_type)
    if pt.is_struct(type_):
        return pa.struct([pa.field(child.name, table_type(child.type), child.nullable) for child in type_])
    if pt.is_map(type_):
        return pa.map_(table_type(type_.key_type), table_type(type_.item_type))
    if _is_list(type_):
        return pa.list_(pa.field("element", table_type(type_.value_type), type_.value_field.nullable))
    if pt.is_decimal(type_) and type_.precision <= 38:
        return pa.decimal128(type_.precision, type_.scale)
    if pt.is_fixed_size_binary(type_) or isinstance(type_, pa.UuidType):
        return type_
    raise TypeError(str(type_))


def conform(data: pa.Table, schema: pa.Schema, *, where: str = "", fills_missing: bool = False) -> pa.Table:
    """The same rows with exactly the columns and types of a schema, in one chunk per column.

    Args:
        data: rows of any compatible types.
        schema: what is wanted, as `table_schema` gives it.
        where: the place that an error names.
        fills_missing: whether an absent column that allows nulls is filled with them.

    Raises:
        SchemaMismatchError: names are missing or unknown, or a value has no exact form in its column's type.
    """
    check_names(data.column_names, schema, where=where, fills_missing=fills_missing)
    columns = []
    for field in schema:
        if field.name in data.column_names:
            columns.append(_conform_column(data.column(field.name), field, where))
        else:
            columns.append(pa.nulls(data.num_rows, field.type))
    return pa.table(columns, schema=schema).combine_chunks()


def check_names(names: list[str], schema: pa.Schema, *, where: str = "", fills_missing: bool = False) -> None:
    """Compares the names of columns with those of a schema; order does not matter.

    Raises:
        SchemaMismatchError: every missing, unknown and repeated name, with the nearest one.
    """
    problems = [f"column {name!r} occurs twice" for name in sorted({n for n in names if names.count(n) > 1})]
    missing = [field.name for field in schema if field.name not in names and not (fills_missing and field.nullable)]
    unknown = [name for name in names if name not in schema.names]
    problems += [f"column {name!r} is missing" for name in missing]
    problems += [f"column {name!r} is unknown ({suggest(name, missing or schema.names, 'column')})" for name in unknown]
    if problems:
        raise SchemaMismatchError(
            "; ".join(problems),
            where=where,
            next_step=f"the table has {', '.join(schema.names)}: rename the columns, or evolve the table",
        )


def first_failure(column: pa.ChunkedArray, cast: Callable[[pa.ChunkedArray], object]) -> int:
    """The first row whose cast fails, found by halving; the cast of the whole column is known to fail."""
    low, high = 0, len(column)
    while high - low > 1:
        middle = (low + high) // 2
        try:
            cast(column.slice(low, middle - low))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            high = middle
        else:
            low = middle
    return low


def _conform_column(column: pa.ChunkedArray, field: pa.Field, where: str) -> pa.ChunkedArray:
    if column.null_count and not field.nullable:
        row = pc.index(column.is_null(), True).as_py()
        raise SchemaMismatchError(
            f"column {field.name!r} allows no nulls, row {row + 1} has one",
            where=where,
            next_step="drop these rows or fill the value",
        )
    if column.type == field.type:
        return column
    if pt.is_dictionary(column.type):
        return _conform_column(column.cast(column.type.value_type), field, where)
    if not is_exact(column.type, field.type):
        raise SchemaMismatchError(
            f"column {field.name!r} is {field.type}, the data has {column.type}",
            where=where,
            next_step="cast the data, or evolve the table where the type only widens",
        )
    try:
        return column.cast(field.type)
    except pa.ArrowInvalid:
        row = first_failure(column, lambda part: part.cast(field.type))
        raise SchemaMismatchError(
            f"column {field.name!r}, row {row + 1}: {column[row].as_py()!r} is no {field.type}",
            where=where,
            next_step="correct the value, or evolve the table where the type only widens",
        ) from None


def is_exact(source: pa.DataType, target: pa.DataType) -> bool:
    """Whether a safe cast keeps the meaning of every value that it lets pass."""
    if pt.is_null(source):
        return True
    if pt.is_timestamp(target):
        # A time without a zone is no instant; to call it UTC would be a guess.
        return bool(pt.is_timestamp(source) and bool(source.tz) == bool(target.tz))
    if pt.is_float32(target):
        return bool(pt.is_integer(source) or pt.is_float16(source))
    for family in _FAMILIES:
        if family(target):
            from_integer = pt.is_integer(source) and (pt.is_floating(target) or pt.is_decimal(target))
            return bool(family(source)) or from_integer
    if pt.is_struct(target):
        return (
            pt.is_struct(source)
            and {c.name for c in source} == {c.name for c in target}
            and all(
                child.type == source.field(child.name).type or is_exact(source.field(child.name).type, child.type)
                for child in target
            )
        )
    if pt.is_map(target):
        return bool(pt.is_map(source))
    if _is_list(target):
        return _is_list(source) and (
            source.value_type == target.value_type or is_exact(source.value_type, target.value_type)
        )
    return bool(source == target)


def _is_list(type_: pa.DataType) -> bool:
    return bool(pt.is_list(type_) or pt.is_large_list(type_) or pt.is_fixed_size_list(type_))


def _is_text(type_: pa.DataType) -> bool:
    return bool(pt.is_string(type_) or pt.is_large_string(type_) or pt.is_string_view(type_))


def _is_bytes(type_: pa.DataType) -> bool:
    return bool(pt.is_binary(type_) or pt.is_large_binary(type_) or pt.is_binary_view(type_))


_SCALARS: tuple[tuple[Callable[[pa.DataType], bool], pa.DataType], ...] = (
    (pt.is_boolean, pa.bool_()),
    (lambda t: pt.is_int8(t) or pt.is_int16(t) or pt.is_int32(t) or pt.is_uint8(t) or pt.is_uint16(t), pa.int32()),
    (lambda t: pt.is_int64(t) or pt.is_uint32(t), pa.int64()),
    (lambda t: pt.is_float16(t) or pt.is_float32(t), pa.float32()),
    (pt.is_float64, pa.float64()),
    (_is_text, pa.string()),
    (pt.is_null, pa.string()),
    (_is_bytes, pa.binary()),
    (pt.is_date, pa.date32()),
    (pt.is_time, pa.time64("us")),
)

_FAMILIES: tuple[Callable[[pa.DataType], bool], ...] = (
    pt.is_boolean,
    pt.is_integer,
    pt.is_floating,
    pt.is_decimal,
    _is_text,
    _is_bytes,
    pt.is_date,
    pt.is_time,
)
