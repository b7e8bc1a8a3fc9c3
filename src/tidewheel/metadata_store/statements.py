"""Statements that both databases know, but each spells in its own module of SQLAlchemy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table, select

from tidewheel.core.errors import NotFoundError

PREFIX_LENGTH = 4
"""The fewest characters by which a thing can be named in place of its whole id."""


def insert_new(connection: Connection, table: Table, *rows: Mapping[str, Any]) -> int:
    """Inserts the rows that are not there yet, and returns how many were; a row that is there stays as it is."""
    inserted = 0
    for row in rows:
        # Drivers count rows of an INSERT differently; what it returns is sure.
        statement = _insert(connection, table).values(dict(row)).on_conflict_do_nothing()
        inserted += connection.execute(statement.returning(*table.primary_key)).first() is not None
    return inserted


def put(connection: Connection, table: Table, row: Mapping[str, Any]) -> None:
    """Inserts a row, or replaces the one with its primary key."""
    keys = [column.name for column in table.primary_key]
    changed = {name: value for name, value in row.items() if name not in keys}
    statement = _insert(connection, table).values(dict(row))
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=changed))


def find_record(connection: Connection, table: Table, **keys: object) -> str | None:
    """The record of the row with these column values, as JSON."""
    statement = select(table.c.record).where(*(table.c[name] == value for name, value in keys.items()))
    found: str | None = connection.execute(statement).scalar()
    return found


def get_by_prefix(connection: Connection, table: Table, kind: str, prefix: str) -> str:
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
    matches = connection.execute(
        select(table.c.id, table.c.record).where(table.c.id >= prefix, table.c.id < prefix + "~").order_by(table.c.id)
    ).fetchmany(5)
    if len(matches) == 1:
        return str(matches[0].record)
    if matches:
        raise NotFoundError(
            kind, prefix, next_step=f"it could be {', '.join(row.id for row in matches)}: say more of it"
        )
    raise NotFoundError(kind, prefix, known=_newest(connection, table))


def _newest(connection: Connection, table: Table) -> Sequence[str]:
    return connection.execute(select(table.c.id).order_by(table.c.id.desc()).limit(200)).scalars().all()


def _insert(connection: Connection, table: Table) -> Any:
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects import postgresql

        return postgresql.insert(table)
    from sqlalchemy.dialects import sqlite

    return sqlite.insert(table)
