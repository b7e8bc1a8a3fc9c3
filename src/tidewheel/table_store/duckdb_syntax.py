"""What a query reads, told from DuckDB's own syntax tree and nothing else: no table needs to exist."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import duckdb
import msgspec
import pyarrow as pa

from tidewheel.core.errors import ParameterError

# Sources of rows whose columns are all named by column references; of any other the whole table is read.
_PLAIN_SOURCES = frozenset({"BASE_TABLE", "JOIN", "SUBQUERY", "EMPTY"})
_BEYOND = {"SUBQUERY": "a subquery", "WINDOW": "a window", "STAR": "all columns", "PARAMETER": "a parameter"}
# DuckDB takes these for columns until it binds them.
_PRESENT = [["current_timestamp"], ["current_date"], ["current_time"], ["localtimestamp"], ["localtime"]]


def parse_select(connection: duckdb.DuckDBPyConnection, query: str) -> dict[str, Any]:
    """The syntax tree of one `select`, as DuckDB writes it in JSON; nothing is run.

    Raises:
        ParameterError: the text is something else; the message names the place.
    """
    try:
        count = len(connection.extract_statements(query))
    except duckdb.Error as error:
        what, _, place = str(error).partition("\n\nLINE ")
        raise ParameterError(
            what.partition(": ")[2] or what,
            where=f"query, line {place}" if place else f"query: {short(query)}",
            next_step="correct the query; a name of more than letters, digits and _ goes in double quotes",
        ) from None
    rows = connection.execute("select json_serialize_sql(?)", [query]).fetchall() if count == 1 else []
    tree: dict[str, Any] = msgspec.json.decode(rows[0][0]) if rows else {"error": True}
    if tree["error"]:
        raise ParameterError(
            "a query is one select statement", where=f"query: {short(query)}", next_step="write select ... from ..."
        )
    return dict(tree["statements"][0]["node"])


def parse_condition(text: str, schema: pa.Schema | None = None) -> None:
    """Checks that a text is one expression over the columns of one row, and true or false where the types tell.

    Args:
        text: the expression.
        schema: columns whose types are known; there may be others.

    Raises:
        ParameterError: it is something else, or reads a table.

    Example:
        >>> parse_condition("dep_time <= arr_time or arr_time is null")
    """
    with duckdb.connect(":memory:") as connection:
        tree = parse_select(connection, f"select ({text}\n)")
    if tables_of(tree) or len(tree.get("select_list", ())) != 1 or tree.get("where_clause") is not None:
        raise ParameterError(f"{text!r} is not one condition over the columns of a row", next_step="write a comparison")
    if beyond := beyond_row(tree["select_list"]):
        raise ParameterError(f"{text!r} uses {beyond}", next_step="write a comparison of the row's columns")
    if not schema:
        return
    with duckdb.connect(":memory:") as connection:
        connection.register("rows", schema.empty_table())
        check_is_condition(connection, text, "rows")


def check_is_condition(connection: duckdb.DuckDBPyConnection, text: str, source: str) -> None:
    """Checks that an expression over the columns of a relation is true or false, not a number or a text.

    Nothing is said of an expression that does not fit these columns.

    Raises:
        ParameterError: it is of another type.

    Example:
        >>> check_is_condition(duckdb.connect(), "n > 1", "(select 1::bigint n)")
    """
    try:
        (type_,) = connection.sql(f"select ({text}\n) from {source}").types
    except duckdb.Error:
        return
    if type_ != "BOOLEAN":
        raise ParameterError(f"{text!r} is {type_}, not true or false", next_step="write a comparison")


def beyond_row(tree: Any) -> str | None:
    """What in an expression depends on more than the row, such as `now(), which is not the same at every call`."""
    impure = _impure_functions()
    for node in nodes(tree):
        beyond = _BEYOND.get(node.get("class", ""))
        name = str(node.get("function_name", "")).lower()
        if beyond is None and node.get("class") == "FUNCTION" and name in impure:
            beyond = f"{name}(), which is {impure[name]}"
        if [one.lower() for one in node.get("column_names", ())] in _PRESENT:
            beyond = f"{node['column_names'][0]}, which is not the same at every call"
        if beyond is not None:
            return beyond
    return None


def tables_of(tree: dict[str, Any]) -> set[str]:
    """Names of the tables, with dots between their parts; names that `with` defines are left out where they apply."""
    return set(_tables(tree, frozenset()))


def columns_of(tree: dict[str, Any]) -> set[str] | None:
    """Names in lower case, every column that the query reads among them; None when it may read all columns."""
    names: set[str] = set()
    sources: set[str] = set()
    alone: set[str] = set()
    for node in nodes(tree):
        kind = node.get("type")
        if kind == "STAR" or node.get("ref_type") == "NATURAL":
            return None
        if "query_location" in node and "sample" in node and kind not in _PLAIN_SOURCES:
            return None
        if kind == "BASE_TABLE":
            sources |= {node["table_name"].lower(), node["alias"].lower()}
        elif kind == "COLUMN_REF":
            parts = [part.lower() for part in node["column_names"]]
            names |= set(parts)
            alone |= set(parts[:1] if len(parts) == 1 else ())
        names |= {name.lower() for name in node.get("using_columns", ())}
    # A table's name where a column could be is the whole row.
    return None if alone & sources else names


def short(query: str) -> str:
    """A query on one line, cut to 120 characters, for messages."""
    text = " ".join(query.split())
    return text if len(text) <= 120 else f"{text[:117]}..."


def nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """Every part of a syntax tree, the outer ones first."""
    if isinstance(tree, dict):
        yield tree
        tree = list(tree.values())
    if isinstance(tree, list):
        for child in tree:
            yield from nodes(child)


def _tables(tree: Any, defined: frozenset[str]) -> Iterator[str]:
    if isinstance(tree, list):
        for child in tree:
            yield from _tables(child, defined)
    if not isinstance(tree, dict):
        return
    if tree.get("type") == "BASE_TABLE":
        path = [part for part in (tree["catalog_name"], tree["schema_name"], tree["table_name"]) if part]
        if len(path) > 1 or path[0].lower() not in defined:
            yield ".".join(path)
    if tree.get("type") == "RECURSIVE_CTE_NODE":
        defined |= {tree["cte_name"].lower()}
    # Each definition sees those before it, and itself only when it is recursive.
    for entry in tree.get("cte_map", {}).get("map", ()):
        yield from _tables(entry["value"], defined)
        defined |= {entry["key"].lower()}
    for key, child in tree.items():
        if key != "cte_map":
            yield from _tables(child, defined)


@cache
def _impure_functions() -> dict[str, str]:
    """What is wrong with functions that say something else at another time or of other rows; asked of DuckDB itself."""
    with duckdb.connect(":memory:") as connection:
        rows = connection.execute(
            """select function_name, bool_and(function_type = 'aggregate')
            from duckdb_functions() where function_type in ('scalar', 'aggregate') group by all
            having bool_and(function_type = 'aggregate' or stability <> 'CONSISTENT')"""
        ).fetchall()
    return {name: "an aggregate" if is_aggregate else "not the same at every call" for name, is_aggregate in rows}
