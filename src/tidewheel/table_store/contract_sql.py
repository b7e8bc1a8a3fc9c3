"""The rules of a contract as SQL for DuckDB: for each rule the condition under which a row breaks it.

A missing value (NULL, or NaN in a column of floating point numbers) breaks only rules about missing values. Clipping
comes first: the other rules look at clipped values.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa

from tidewheel.core.clock import parse_time
from tidewheel.core.errors import DefinitionError
from tidewheel.core.records import ContractRule
from tidewheel.table_store.duckdb_pattern import to_re2

BATCH_KINDS = frozenset({"null_share", "freshness"})
"""Rules about a batch as a whole: no single row breaks them, and one number of SQL decides."""

_TEXT_FUNCTIONS = {"starts": "starts_with", "ends": "ends_with", "contains": "contains"}


def violation(rule: ContractRule, schema: pa.Schema, at: datetime) -> str:
    """The condition for one row; of rules that are not about single rows it is never true.

    Args:
        rule: the rule.
        schema: the columns of the rows.
        at: the present time, to which the range of a time may refer.

    Raises:
        DefinitionError: its arguments are none of its kind.
    """
    arguments = rule.arguments
    value = _value(rule.column, schema)
    match rule.kind:
        case "not_null":
            return f"{value} is null"
        case "range":
            now = f"timestamp{_zone(rule.column, schema)} '{at.replace(tzinfo=None).isoformat()}'"
            return " or ".join(_bounds(value, arguments, now)) or "false"
        case "domain" | "excluded":
            listed = ", ".join(literal(one) for one in arguments["values"]) or "null"
            return f"{value} {'not ' if rule.kind == 'domain' else ''}in ({listed})"
        case "pattern":
            re2 = to_re2(arguments["pattern"])
            if re2 is None:
                raise DefinitionError(f"pattern {arguments['pattern']!r} is none of RE2", (), where=rule.name)
            return f"not regexp_matches({value}, {literal(re2)})"
        case "text":
            return f"not {_TEXT_FUNCTIONS[arguments['where']]}({value}, {literal(arguments['text'])})"
        case "length":
            limits = {key: arguments.get(key) for key in ("min", "max")}
            return " or ".join(_bounds(f"length({value})", limits)) or "false"
        case "sql":
            # The line break ends a comment that the condition may close with.
            return f"not ({arguments['sql']}\n)"
    return "false"


def clipped(rules: Iterable[ContractRule], schema: pa.Schema) -> dict[str, str]:
    """For each column that a rule clips: its nearest allowed value."""
    columns = {}
    for rule in rules:
        if rule.policy == "clip" and rule.kind == "range":
            column, value = quoted(rule.column), _value(rule.column, schema)
            cases = [
                f"when {value} {sign} {bound} then {bound}"
                for sign, key, inwards in (("<", "min", math.ceil), (">", "max", math.floor))
                if (bound := _clip_bound(rule.arguments.get(key), inwards, schema.field(rule.column).type)) is not None
            ]
            cast = f"cast(case {' '.join(cases)} else {column} end as {sql_type(schema.field(rule.column).type)})"
            columns[rule.column] = cast
    return columns


def batch_measure(rule: ContractRule, schema: pa.Schema) -> str:
    """What a rule about a whole batch is held against: a share of nulls, or the newest time."""
    value = _value(rule.column, schema)
    if rule.kind == "null_share":
        return f"count_if({value} is null) / greatest(count(*), 1)"
    return f"cast(epoch_us(max(cast({value} as timestamp{_zone(rule.column, schema)}))) as bigint)"


def repetitions(columns: Sequence[str], schema: pa.Schema, source: str, span: tuple[int, int] | None = None) -> str:
    """How many rows of a source repeat the key of an earlier one; a key with a missing value repeats none.

    Args:
        columns: the key.
        schema: the columns of the rows.
        source: the rows.
        span: the least and the largest key of a column of integers that are dense enough for a bit each.
    """
    if len(columns) == 1:
        value = _value(columns[0], schema)
        if span is not None:
            seen = f"bit_count(bitstring_agg({value}, {span[0]}, {span[1]}))"
            return f"(select count({value}) - {seen} from {source})"
        return f"(select count({value}) - count(distinct {value}) from {source})"
    keys = ", ".join(_value(column, schema) for column in columns)
    grouped = f"select count(*) n from {source} where {known_key(columns, schema)} group by {keys}"
    return f"(select coalesce(sum(n - 1), 0)::bigint from ({grouped}))"


def known_key(columns: Sequence[str], schema: pa.Schema) -> str:
    """The condition that no part of a key is missing."""
    return " and ".join(f"{_value(column, schema)} is not null" for column in columns)


def same_key(columns: Sequence[str], left: str, right: str) -> str:
    """The condition that two rows have the same key."""
    return " and ".join(f"{left}.{quoted(column)} = {right}.{quoted(column)}" for column in columns)


def quoted(name: str) -> str:
    """A name as SQL writes it."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: Any) -> str:
    """A JSON value as SQL writes it; a text also stands for a time or date, which the column's type decides.

    Example:
        >>> literal("it's"), literal(True), literal(1.5), literal(None)
        ("'it''s'", 'true', '1.5', 'null')
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value!r}::double" if "e" in repr(value) or "n" in repr(value) else repr(value)
    if isinstance(value, int):
        return repr(value)
    return "'" + str(value).replace("'", "''") + "'"


def sql_type(type_: pa.DataType) -> str:
    """DuckDB's name of the type of a number, time or date."""
    if pa.types.is_decimal(type_):
        return f"decimal({type_.precision}, {type_.scale})"
    if pa.types.is_timestamp(type_):
        return "timestamptz" if type_.tz else "timestamp"
    names = {"int32": "integer", "int64": "bigint", "float": "float", "double": "double", "date32[day]": "date"}
    return names.get(str(type_), "varchar")


def _value(column: str, schema: pa.Schema) -> str:
    """A column with NaN as missing."""
    if column and column in schema.names and pa.types.is_floating(schema.field(column).type):
        return f"nullif({quoted(column)}, 'nan')"
    return quoted(column)


def _bounds(value: str, arguments: dict[str, Any], now: str = "") -> list[str]:
    conditions = []
    for key, sign, exclusive in (("min", "<", "<="), ("max", ">", ">=")):
        bound = _bound(arguments.get(key), now)
        if bound is not None:
            conditions.append(f"{value} {sign if arguments.get(f'includes_{key}', True) else exclusive} {bound}")
    return conditions


def _bound(value: Any, now: str = "") -> str | None:
    """A bound as a literal; `{"now_plus_s": n}` is so many seconds after the present time."""
    if isinstance(value, dict):
        return f"{now} + to_seconds({float(value['now_plus_s'])!r})"
    return None if value is None else literal(value)


def _clip_bound(value: Any, inwards: Callable[[float], int], type_: pa.DataType) -> str | None:
    """The nearest value within a bound that a column can hold: of whole numbers at most 2.5 it is 2, not 3."""
    is_between = isinstance(value, float) and math.isfinite(value) and pa.types.is_integer(type_)
    return _bound(inwards(value) if is_between else value)


def _zone(column: str, schema: pa.Schema) -> str:
    type_ = schema.field(column).type if column in schema.names else pa.null()
    return "tz" if pa.types.is_timestamp(type_) and type_.tz else ""


def newest(microseconds: int | None) -> datetime | None:
    """The time that `batch_measure` gives for freshness."""
    return None if microseconds is None else parse_time("1970-01-01") + timedelta(microseconds=microseconds)
