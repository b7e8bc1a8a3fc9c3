"""Statements that several stores need, put together from names that stand in their code; values stay parameters."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache

from tidewheel.core.errors import NotFoundError
from tidewheel.metadata_store.connection import Connection, Value

PREFIX_LENGTH = 4
"""The fewest characters by which a thing can be named in place of its whole id."""

Columns = Mapping[str, Value]
"""The values of a row, by column."""


def insert(connection: Connection, table: str, *rows: Columns) -> None:
    """Inserts rows of the same columns."""
    connection.execute_many(_insert(table, tuple(rows[0])), rows)


def insert_new(connection: Connection, table: str, *rows: Columns) -> int:
    """Inserts the rows that are not there yet, and returns how many were; a row that is there stays as it is."""
    return connection.execute_many(f"{_insert(table, tuple(rows[0]))} ON CONFLICT DO NOTHING", rows)


def put(connection: Connection, table: str, key: Columns, values: Columns) -> None:
    """Inserts a row, or gives the one with its key other values."""
    changes = ", ".join(f"{name} = excluded.{name}" for name in values)
    sql = f"{_insert(table, (*key, *values))} ON CONFLICT ({', '.join(key)}) DO UPDATE SET {changes}"
    connection.execute(sql, **key, **values)


def find_record(connection: Connection, table: str, **keys: Value) -> str | None:
    """The record of the row with these column values, as JSON."""
    condition = " AND ".join(f"{name} = :{name}" for name in keys)
    found: str | None = connection.scalar(f"SELECT record FROM {table} WHERE {condition}", **keys)
    return found


def get_by_prefix(connection: Connection, table: str, kind: str, prefix: str) -> str:
    """The record, as JSON, of the one row whose id begins so.

    Raises:
        NotFoundError: none does, several do (they are named), or the prefix is shorter than `PREFIX_LENGTH`.
    """
    if not prefix.isprintable():  # no id is, and PostgreSQL takes no NUL even to compare
        raise NotFoundError(kind, prefix, known=_newest(connection, table))
    exact = find_record(connection, table, id=prefix)
    if exact is not None:
        return exact
    if len(prefix) < PREFIX_LENGTH:
        raise NotFoundError(
            kind,
            prefix,
            next_step=f"give at least {PREFIX_LENGTH} characters of its id",
            known=_newest(connection, table),
        )
    # "~" sorts after every character of an id, so this is a range of the primary key.
    sql = f"SELECT id, record FROM {table} WHERE id >= :first AND id < :end ORDER BY id LIMIT 5"
    matches = connection.execute(sql, first=prefix, end=f"{prefix}~").fetchall()
    if len(matches) == 1:
        return str(matches[0][1])
    if matches:
        raise NotFoundError(
            kind, prefix, next_step=f"it could be {', '.join(found for found, _ in matches)}: say more of it"
        )
    raise NotFoundError(kind, prefix, known=_newest(connection, table))


def where(parameters: Columns, *conditions: str) -> str:
    """A WHERE clause of those conditions whose one parameter is given; empty when none is.

    Example:
        >>> where({"pipeline": "flights", "before": None}, "pipeline = :pipeline", "id < :before")
        'WHERE pipeline = :pipeline'
    """
    wanted = [text for text in conditions if parameters[_parameter_of(text)] is not None]
    return f"WHERE {' AND '.join(wanted)}" if wanted else ""


def listed(name: str, values: Collection[Value]) -> tuple[str, dict[str, Value]]:
    """A list for IN, which is a parameter for each value; IN an empty one is nothing.

    Example:
        >>> listed("status", ["failed", "stopped"])
        ('(:status_0, :status_1)', {'status_0': 'failed', 'status_1': 'stopped'})
        >>> listed("status", [])
        ('(NULL)', {})
    """
    parameters = {f"{name}_{number}": value for number, value in enumerate(values)}
    return f"({', '.join(f':{key}' for key in parameters) or 'NULL'})", parameters


def _newest(connection: Connection, table: str) -> Sequence[str]:
    return connection.scalars(f"SELECT id FROM {table} ORDER BY id DESC LIMIT 200")


@lru_cache(maxsize=64)
def _insert(table: str, columns: tuple[str, ...]) -> str:
    values = ", ".join(f":{name}" for name in columns)
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({values})"


@lru_cache(maxsize=64)
def _parameter_of(condition: str) -> str:
    (name,) = re.findall(r":(\w+)", condition)
    return str(name)
