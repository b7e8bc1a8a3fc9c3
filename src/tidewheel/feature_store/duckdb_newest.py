"""The newest values of each entity in one file of a snapshot, as the online store takes them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import duckdb

from tidewheel.feature_store.duckdb_view import CREATED, EVENT, POSITION, BoundView, bind_view
from tidewheel.feature_store.lookup import ViewFacts
from tidewheel.feature_store.stored_types import stored_column, stored_sql
from tidewheel.pipeline.feature_view import ViewDefinition, quoted
from tidewheel.table_store import TableReference
from tidewheel.table_store.duckdb_engine import open_snapshots

ROWS_AT_ONCE = 50_000

Row = tuple[Any, ...]


class NewestRows:
    """Reads a view's newest rows, one per entity.

    Attributes:
        facts: how they are stored.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, view: BoundView) -> None:
        definition, where = view.definition, f"feature view {view.definition.name!r}"
        self._connection = connection
        self._view = view
        self.facts = ViewFacts(
            view=definition.name,
            keys=[stored_column(name, type_, where) for name, type_ in view.key_types.items()],
            features=[stored_column(name, type_, where) for name, type_ in view.feature_types.items()],
            ttl_us=definition.ttl_us,
            owner=definition.owner,
            description=definition.description,
            definition=definition.digest,
        )

    def has_rows_after(self, until_us: int) -> bool:
        """Whether there are rows of events, or created, later than a time: they count only later."""
        view = self._view
        found = self._connection.execute(
            f"""select count(*) from (select {view.times()}, {view.created()} from {quoted(view.source)})
            where epoch_us({quoted(EVENT)}) > {until_us} or epoch_us({quoted(CREATED)}) > {until_us}"""
        )
        return bool(found.fetchall()[0][0])

    def batches(self, since_us: int, until_us: int) -> Iterator[list[Row]]:
        """Rows of keys, event and created time in microseconds, and features, ordered by the keys.

        Args:
            since_us, until_us: the first and last event time; rows that were created later are not known yet.
        """
        view, event, created = self._view, quoted(EVENT), quoted(CREATED)
        keys = [stored_sql(column, name) for column, name in zip(self.facts.keys, view.keys, strict=True)]
        features = [stored_sql(column, quoted(column.name)) for column in self.facts.features]
        columns = ", ".join([*keys, f"epoch_us({event})", f"epoch_us({created})", *features])
        exist = " and ".join(f"{name} is not null" for name in view.keys)
        names = ", ".join(view.keys)
        result = self._connection.execute(
            f"""select {columns} from (
                select {view.times()}, {view.created()}, {quoted(POSITION)}, {view.features()}
                from {quoted(view.source)}
            ) where {exist} and epoch_us({event}) between {since_us} and {until_us}
            and coalesce(epoch_us({created}) <= {until_us}, true)
            qualify row_number() over (
                partition by {names} order by {event} desc, {created} desc nulls last, {quoted(POSITION)} desc
            ) = 1 order by {names}"""
        )
        while batch := result.fetchmany(ROWS_AT_ONCE):
            yield batch


@contextmanager
def newest_rows(definition: ViewDefinition, reference: TableReference) -> Iterator[NewestRows]:
    """Opens a snapshot, or a part of its files, for a view.

    Raises:
        SchemaMismatchError, DefinitionError: the view does not fit, see `bind_view`.
        ArtifactMissingError, ArtifactCorruptError: a data file is gone or damaged.
    """
    with open_snapshots({definition.table: reference}, position=POSITION) as connection:
        yield NewestRows(connection, bind_view(connection, definition, definition.table))
