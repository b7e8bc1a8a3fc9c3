"""The online store's file: SQLite in WAL mode, many readers beside one writer at a time.

A generation is what one declaration of a view made of one history of a table. Within it a row per entity holds the
newest values, where newer is a total order (event time, created time, place in the table): rows may be put in any
order, twice, and by two processes at once, and the outcome is the same. Readers see what `current` names.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from tidewheel.core.errors import StorageError, WorkspaceVersionError
from tidewheel.core.write_ahead_log import use_write_ahead_log

FILE = "online.db"
"""Its name in a workspace."""

VERSION = 1
FIRST = -(2**63)
"""Stands for a created time that is not told: before all others."""

_TABLES = """
create table if not exists generation (
    id integer primary key, view text not null, meaning text not null, facts text not null, table_uuid text not null,
    snapshot_id text not null, committed_at text not null
);
create table if not exists current (view text primary key, generation integer not null) without rowid;
create table if not exists applied (
    generation integer not null, file text not null, since integer not null, until integer not null,
    rows integer not null, primary key (generation, file)
) without rowid;
create table if not exists value (
    generation integer not null, key blob not null, event integer not null, created integer not null,
    place integer not null, data blob not null, primary key (generation, key)
) without rowid;
create table if not exists on_demand (view text primary key, definition text not null) without rowid;
"""


def connect(path: Path, *, timeout_s: float = 60.0) -> sqlite3.Connection:
    """Opens the file, which is made when missing.

    Args:
        timeout_s: how long a writer waits for another one.

    Raises:
        StorageError: it cannot be opened, or is no such file.
        WorkspaceVersionError: a newer Tidewheel wrote it.
    """
    try:
        connection = sqlite3.connect(path, timeout=timeout_s, isolation_level=None, cached_statements=512)
        try:
            _prepare(connection, path, timeout_s)
        except BaseException:
            connection.close()
            raise
    except sqlite3.Error as error:
        raise StorageError(f"the online store cannot be opened: {error}", where=str(path)) from error
    return connection


def _prepare(connection: sqlite3.Connection, path: Path, timeout_s: float) -> None:
    use_write_ahead_log(connection, timeout_s=timeout_s)
    connection.execute("pragma synchronous = normal")
    connection.execute("pragma mmap_size = 1073741824")
    found = connection.execute("pragma user_version").fetchone()[0]
    if found > VERSION:
        raise WorkspaceVersionError(
            f"the online store has version {found}, this Tidewheel knows {VERSION}",
            where=str(path),
            next_step="upgrade Tidewheel",
        )
    if found < VERSION:
        connection.executescript(f"begin immediate; {_TABLES} pragma user_version = {VERSION}; commit;")
