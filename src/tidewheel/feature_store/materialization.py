"""Fills the online store from snapshots, file by file: only what is new, and after a kill only what is missing.

Each data file is one transaction that also notes the file. Values are put by a total order of newness, so a file that
is put twice, or by two processes at once, changes nothing the second time. When the table was rewritten, or the view
is declared anew, another generation is filled beside the old one, which answers until the new one is complete.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from tidewheel.core.clock import utc_now
from tidewheel.core.errors import ConflictError, StorageError
from tidewheel.core.records.record import Record
from tidewheel.feature_store.duckdb_newest import NewestRows, Row, newest_rows
from tidewheel.feature_store.generation import Generation, choose_generation, publish
from tidewheel.feature_store.online_schema import FIRST, connect
from tidewheel.feature_store.stored_types import micros_of
from tidewheel.pipeline.feature_view import ViewDefinition
from tidewheel.table_store import TableFile, TableReference

EVER = -(2**62)
_encode = msgspec.msgpack.Encoder().encode
_PUT = """insert into value (generation, key, event, created, place, data) values (?, ?, ?, ?, ?, ?)
on conflict (generation, key) do update
set event = excluded.event, created = excluded.created, place = excluded.place, data = excluded.data
where (excluded.event, excluded.created, excluded.place) > (value.event, value.created, value.place)"""


class MaterializeResult(Record, frozen=True, kw_only=True):
    """What a materialization did.

    Attributes:
        view: its name.
        snapshot_id: as text: what is online now.
        rows: newest rows that were put, one per entity and file.
        files: data files that were read.
        files_skipped: those that had been put before.
        is_new: whether a new generation was filled, since the view or the table's history is another one.
    """

    view: str
    snapshot_id: str
    rows: int
    files: int
    files_skipped: int
    is_new: bool


def materialize(
    path: Path,
    definition: ViewDefinition,
    reference: TableReference,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
) -> MaterializeResult:
    """Brings the online store to a snapshot.

    Args:
        path: the store's file.
        definition: the view.
        reference: the snapshot of its table.
        since: leaves out earlier events; a later call without it adds them.
        until: leaves out later events, which the next call adds; now by default.

    Raises:
        SchemaMismatchError, DefinitionError: the view does not fit its table.
        ConflictError: the view was materialized with another declaration meanwhile.
        StorageError: the disk is full, or another writer held the store for a minute.
    """
    since_us = EVER if since is None else micros_of(since)
    until_us = micros_of(until if until is not None else utc_now())
    parts = list(_parts(reference))
    connection = connect(path)
    try:
        with newest_rows(definition, reference) as whole:
            facts = whole.facts
        generation = choose_generation(connection, definition, facts, reference, [name for name, _ in parts])
        rows = files = 0
        if not generation.is_ahead:
            for place, (name, part) in enumerate(parts):
                if generation.has(name, since_us, until_us):
                    continue
                rows += _put_part(connection, generation, definition, part, place, name, since_us, until_us)
                files += 1
            publish(connection, generation, reference.snapshot)
    except sqlite3.Error as error:
        raise StorageError(f"the online store cannot be written: {error}", where=str(path)) from error
    finally:
        connection.close()
    return MaterializeResult(
        view=definition.name,
        snapshot_id=str(reference.snapshot.snapshot_id),
        rows=rows,
        files=files,
        files_skipped=len(parts) - files,
        is_new=generation.is_new,
    )


def _parts(reference: TableReference) -> Iterator[tuple[str, TableReference]]:
    """The files of a snapshot, each as a table; all at once where only an Iceberg scan reads them rightly."""
    if not reference.is_direct:
        yield f"snapshot {reference.snapshot.digest}", reference
        return
    for file in reference.files:
        yield file.path, _alone(reference, file)


def _alone(reference: TableReference, file: TableFile) -> TableReference:
    return msgspec.structs.replace(reference, files=(file,))


def _put_part(
    connection: sqlite3.Connection,
    generation: Generation,
    definition: ViewDefinition,
    part: TableReference,
    place: int,
    name: str,
    since_us: int,
    until_us: int,
) -> int:
    """Puts the newest rows of one file and notes it, in one transaction; returns the number of rows."""
    with newest_rows(definition, part) as newest:
        complete_until = until_us if newest.has_rows_after(until_us) else 2**62
        batches = newest.batches(since_us, until_us)
        first = next(batches, [])  # DuckDB's part of the work is done before the store is held
        connection.execute("begin immediate")
        try:
            rows = _put(connection, generation, place, newest, first)
            for batch in batches:
                rows += _put(connection, generation, place, newest, batch)
            _note(connection, generation, name, since_us, complete_until, rows)
            connection.execute("commit")
        except BaseException:
            connection.execute("rollback")
            raise
    return rows


def _put(
    connection: sqlite3.Connection, generation: Generation, place: int, newest: NewestRows, batch: list[Row]
) -> int:
    number, keys = generation.id, len(newest.facts.keys)
    event, created, first = keys, keys + 1, keys + 2

    def stored() -> Iterator[tuple[Any, ...]]:
        for row in batch:
            known = row[created]
            yield (
                number,
                _encode(row[:keys]),
                row[event],
                FIRST if known is None else known,
                place,
                _encode(row[first:]),
            )

    connection.executemany(_PUT, stored())
    return len(batch)


def _note(
    connection: sqlite3.Connection, generation: Generation, name: str, since_us: int, until_us: int, rows: int
) -> None:
    if connection.execute("select 1 from generation where id = ?", (generation.id,)).fetchone() is None:
        raise ConflictError(
            f"feature view {generation.view!r} was materialized with another declaration meanwhile",
            next_step="materialize it again",
        )
    connection.execute(
        """insert into applied (generation, file, since, until, rows) values (?, ?, ?, ?, ?)
        on conflict (generation, file) do update set since = min(since, excluded.since),
        until = max(until, excluded.until), rows = excluded.rows""",
        (generation.id, name, since_us, until_us, rows),
    )
