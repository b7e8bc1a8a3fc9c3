"""Generations of a view in the online store: which one a snapshot continues, and which one readers see."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime

import msgspec

from tidewheel.core.digest import digest_value
from tidewheel.core.records import Snapshot
from tidewheel.feature_store.lookup import ViewFacts
from tidewheel.pipeline.feature_view import ViewDefinition
from tidewheel.table_store import TableReference

_ROWS_AT_ONCE = 100_000


class Generation(msgspec.Struct):
    """One declaration of a view on one history of its table.

    Attributes:
        id: grows; of two the later is the newer.
        view: its name.
        applied: by file, from and until which event time its rows are in.
        is_new: whether it was begun for this snapshot.
        is_ahead: whether it holds a later snapshot than the one that was asked for.
    """

    id: int
    view: str
    applied: dict[str, tuple[int, int]]
    is_new: bool = False
    is_ahead: bool = False

    def has(self, file: str, since_us: int, until_us: int) -> bool:
        """Whether all rows of a file between two times are in."""
        found = self.applied.get(file)
        return found is not None and found[0] <= since_us and found[1] >= until_us


def choose_generation(
    connection: sqlite3.Connection,
    definition: ViewDefinition,
    facts: ViewFacts,
    reference: TableReference,
    files: Sequence[str],
) -> Generation:
    """The generation that a snapshot continues, one that another process has begun included, or a new one.

    A snapshot continues a generation when every file that was put is still part of it.
    """
    meaning = digest_value("feature view", [definition.meaning(), msgspec.to_builtins([facts.keys, facts.features])])
    snapshot = reference.snapshot
    connection.execute("begin immediate")
    try:
        found = connection.execute(
            """select id, committed_at from generation where view = ? and meaning = ? and table_uuid = ?
            order by id desc limit 1""",
            (definition.name, meaning, snapshot.table_uuid),
        ).fetchone()
        if found is not None:
            generation = Generation(found[0], definition.name, _applied(connection, found[0]))
            gone = generation.applied.keys() - set(files)
            is_older = bool(found[1]) and snapshot.committed_at < datetime.fromisoformat(found[1])
            generation.is_ahead = is_older
            if is_older or not gone:
                _describe(connection, generation.id, facts)
                connection.execute("commit")
                return generation
        cursor = connection.execute(
            """insert into generation (view, meaning, facts, table_uuid, snapshot_id, committed_at)
            values (?, ?, ?, ?, '', '')""",
            (definition.name, meaning, msgspec.json.encode(facts).decode(), snapshot.table_uuid),
        )
        connection.execute("commit")
    except BaseException:
        connection.execute("rollback")
        raise
    return Generation(int(cursor.lastrowid or 0), definition.name, {}, is_new=True)


def publish(connection: sqlite3.Connection, generation: Generation, snapshot: Snapshot) -> None:
    """Lets readers see a complete generation, unless they see a newer one, and removes older ones."""
    connection.execute("begin immediate")
    try:
        committed_at = snapshot.committed_at.isoformat()
        connection.execute(
            "update generation set snapshot_id = ?, committed_at = ? where id = ? and committed_at < ?",
            (str(snapshot.snapshot_id), committed_at, generation.id, committed_at),
        )
        connection.execute(
            """insert into current (view, generation) values (?, ?)
            on conflict (view) do update set generation = max(generation, excluded.generation)""",
            (generation.view, generation.id),
        )
        connection.execute("commit")
    except BaseException:
        connection.execute("rollback")
        raise
    _remove_older(connection, generation)


def forget(connection: sqlite3.Connection, views: Sequence[str]) -> None:
    """Takes views offline, with their values."""
    for view in views:
        connection.execute("begin immediate")
        connection.execute("delete from current where view = ?", (view,))
        connection.execute(
            "delete from applied where generation in (select id from generation where view = ?)", (view,)
        )
        connection.execute("delete from generation where view = ?", (view,))
        connection.execute("commit")
    if views:
        _remove_values(connection)


def _remove_older(connection: sqlite3.Connection, generation: Generation) -> None:
    old = connection.execute(
        "select id from generation where view = ? and id < ?", (generation.view, generation.id)
    ).fetchall()
    for (number,) in old:
        connection.execute("delete from generation where id = ?", (number,))
        connection.execute("delete from applied where generation = ?", (number,))
    _remove_values(connection)


def _remove_values(connection: sqlite3.Connection) -> None:
    """Of generations that are gone, also by a killed process: in pieces, so that other writers get their turn."""
    while connection.execute(
        """delete from value where (generation, key) in (select generation, key from value
        where generation not in (select id from generation) limit ?)""",
        (_ROWS_AT_ONCE,),
    ).rowcount:
        pass


def _applied(connection: sqlite3.Connection, number: int) -> dict[str, tuple[int, int]]:
    rows = connection.execute("select file, since, until from applied where generation = ?", (number,)).fetchall()
    return {file: (since, until) for file, since, until in rows}


def _describe(connection: sqlite3.Connection, number: int, facts: ViewFacts) -> None:
    connection.execute("update generation set facts = ? where id = ?", (msgspec.json.encode(facts).decode(), number))
