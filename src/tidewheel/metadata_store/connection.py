"""A connection to the facts: SQL text in, tuples out, the same on both databases."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal, Protocol

Value = str | int | float | bytes | None
"""What a column holds. Times are integer microseconds (`moment.py`), and what is composed is JSON text."""

Row = tuple[Any, ...]

Dialect = Literal["sqlite", "postgresql"]


class Cursor(Protocol):
    """The part of PEP 249's cursor that the stores use."""

    @property
    def rowcount(self) -> int:
        """How many rows an INSERT, UPDATE or DELETE touched."""
        ...

    def fetchone(self) -> Row | None:
        """The next row."""
        ...

    def fetchall(self) -> list[Row]:
        """The rows that are left."""
        ...

    def __iter__(self) -> Iterator[Row]: ...


class Connection:
    """One connection of a driver, used by one thread at a time.

    A parameter is `:name` in the text and a keyword of the call; values never become part of the text.

    Args:
        raw: the driver's own connection (PEP 249), without transactions that it would begin by itself.
        dialect: which database it is.
        spell: turns `:name` into what the driver reads.

    Example:
        >>> import sqlite3
        >>> connection = Connection(sqlite3.connect(":memory:"), "sqlite")
        >>> connection.scalar("SELECT :word || '!'", word="hello")
        'hello!'
        >>> connection.close()
    """

    def __init__(self, raw: Any, dialect: Dialect, spell: Callable[[str], str] = str) -> None:
        self.raw = raw
        self.dialect: Dialect = dialect
        # SQLite knows no such words and needs none: its writer is alone.
        self.for_update = "FOR UPDATE" if dialect == "postgresql" else ""
        self._spell = spell

    def execute(self, sql: str, /, **parameters: Value) -> Cursor:
        """Runs one statement."""
        cursor: Cursor = self.raw.execute(self._spell(sql), parameters)
        return cursor

    def execute_many(self, sql: str, rows: Sequence[Mapping[str, Value]]) -> int:
        """Runs one statement for each row of parameters, and returns how many rows of the table they touched."""
        cursor = self.raw.cursor()
        cursor.executemany(self._spell(sql), rows)
        return int(cursor.rowcount)

    def first(self, sql: str, /, **parameters: Value) -> Row | None:
        """The first row that a query finds."""
        return self.execute(sql, **parameters).fetchone()

    def scalar(self, sql: str, /, **parameters: Value) -> Any:
        """The first column of the first row; None without a row."""
        row = self.first(sql, **parameters)
        return None if row is None else row[0]

    def scalars(self, sql: str, /, **parameters: Value) -> list[Any]:
        """The first column of all rows."""
        return [row[0] for row in self.execute(sql, **parameters)]

    def commit(self) -> None:
        """Ends the transaction, if there is one, and keeps what it wrote."""
        self.raw.commit()

    def rollback(self) -> None:
        """Ends the transaction, if there is one, and undoes what it wrote."""
        self.raw.rollback()

    def close(self) -> None:
        """Ends the connection."""
        self.raw.close()
