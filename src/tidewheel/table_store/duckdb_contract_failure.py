"""Tells which rule of a contract DuckDB could not evaluate; the one query over all rules does not say."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import duckdb
import pyarrow as pa

from tidewheel.core.errors import ParameterError, SchemaMismatchError, TidewheelError, suggest
from tidewheel.core.records import ContractRule
from tidewheel.table_store.duckdb_engine import missing_column
from tidewheel.table_store.duckdb_syntax import columns_of, parse_select

_OF_RULES = (duckdb.DataError, duckdb.InvalidInputException, duckdb.ProgrammingError)
"""Values that do not convert, and conditions that do not fit their columns; not files that cannot be read."""


def failure_of_rule(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    rules: Sequence[ContractRule],
    schema: pa.Schema,
    query: Callable[[Sequence[ContractRule]], str],
) -> TidewheelError | None:
    """The first rule that fails when it is checked alone, as an error; None when none does.

    Args:
        connection: with the rows.
        table: whose contract it is.
        rules: those that failed together.
        schema: the columns of the rows.
        query: gives the SQL that checks rules.
    """
    for rule in rules:
        try:
            connection.sql(query([rule])).fetchall()
        except _OF_RULES as error:
            return _told(connection, table, rule, schema, str(error))
        except duckdb.Error:  # about a file: the caller tells it
            return None
    return None


def _told(
    connection: duckdb.DuckDBPyConnection, table: str, rule: ContractRule, schema: pa.Schema, message: str
) -> TidewheelError:
    what = message.partition("\n\nLINE ")[0]
    what = " ".join((what.partition(": ")[2] or what).split())
    where = f"contract of table {table!r}, rule {rule.name!r}"
    if column := missing_column(what):
        return SchemaMismatchError(
            f"rule {rule.name!r} needs column {column!r}, which table {table!r} does not have",
            where=where,
            next_step=suggest(column, schema.names, "column"),
        )
    read = _columns(connection, rule, schema)
    of = f" on {'columns' if len(read) > 1 else 'column'} {', '.join(map(repr, read))}" if read else ""
    sql = rule.arguments.get("sql")
    return ParameterError(
        f"rule {rule.name!r} of table {table!r} cannot be checked{of}: {what}",
        where=f"{where}: {sql}" if sql else where,
        next_step=_next_step(rule),
    )


def _next_step(rule: ContractRule) -> str:
    if rule.kind == "sql":
        return "write `try_cast(... as type)` for what does not convert everywhere, or give the column its type"
    if rule.kind == "freshness" or isinstance(rule.arguments.get("max"), dict):
        times = 'pa.Column("datetime64[us, UTC]")'
        return f"let Freshness name a column of times, or declare this one as such from its first file on: {times}"
    return "give the column the type of the rule's values in the contract's schema, or the values that of the column"


def _columns(connection: duckdb.DuckDBPyConnection, rule: ContractRule, schema: pa.Schema) -> list[str]:
    if rule.column or rule.kind != "sql":
        return [rule.column] if rule.column else []
    named = columns_of(parse_select(connection, f"select ({rule.arguments['sql']}\n)"))
    return [name for name in schema.names if named is not None and name.lower() in named]
