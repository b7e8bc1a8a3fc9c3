"""A feature view on one snapshot: its columns as DuckDB sees them, checked before anything is read."""

from __future__ import annotations

from typing import Any

import duckdb
import msgspec
import pyarrow.types as pt

from tidewheel.core.errors import DefinitionError, ParameterError, SchemaMismatchError, TidewheelError, suggest
from tidewheel.pipeline.feature_view import ViewDefinition, quoted
from tidewheel.table_store.duckdb_engine import missing_column
from tidewheel.table_store.duckdb_syntax import beyond_row, parse_select

EVENT, CREATED, POSITION = "tidewheel event", "tidewheel created", "tidewheel position"


class BoundView(msgspec.Struct, frozen=True):
    """A view whose expressions fit its snapshot.

    Attributes:
        definition: what was declared.
        source: the relation that holds the table's rows, with their `POSITION`.
        key_types, feature_types: Arrow types by name.
    """

    definition: ViewDefinition
    source: str
    key_types: dict[str, Any]
    feature_types: dict[str, Any]

    @property
    def keys(self) -> list[str]:
        """The keys' names inside of queries, quoted; none that a feature can have."""
        return [quoted(f"tidewheel key {name}") for name in self.key_types]

    def times(self, spine: Any = None) -> str:
        """The select list of keys and event time.

        Args:
            spine: the Arrow schema of a spine's keys. Where it has 32 bits so has the key, null where it does not fit.
        """
        keys = [self._key(name, spine) for name in self.definition.keys]
        return ", ".join([*keys, f"{self.definition.event_time} as {quoted(EVENT)}"])

    def _key(self, name: str, spine: Any) -> str:
        sql, wide, name = self.definition.keys[name], self.key_types[name], f"tidewheel key {name}"
        is_narrowed = spine is not None and pt.is_int32(spine.field(name).type) and not pt.is_int32(wide)
        return f"{f'try_cast({sql} as integer)' if is_narrowed else sql} as {quoted(name)}"

    def created(self) -> str:
        """The select item of the created time; null where the table does not tell."""
        return f"{self.definition.created_time or 'null::timestamptz'} as {quoted(CREATED)}"

    def features(self) -> str:
        """The select list of the features."""
        return ", ".join(f"{sql} as {quoted(name)}" for name, sql in self.definition.features.items())


class _Column(msgspec.Struct, frozen=True):
    """One expression of a view and its place in the declaration."""

    role: str
    name: str
    sql: str

    def where(self, view: str) -> str:
        return f"feature view {view!r}, {self.role}" + (f" {self.name!r}" if self.name else "")


def bind_view(connection: duckdb.DuckDBPyConnection, definition: ViewDefinition, source: str) -> BoundView:
    """Checks every expression of a view against the columns that are there.

    Args:
        connection: where `source` is a relation.
        definition: the view.
        source: the relation's name.

    Raises:
        SchemaMismatchError: a column vanished, a time has no time zone, or a key has no fit type.
        DefinitionError: an expression is no SQL over one row, or not the same at every call.
    """
    columns = _columns(definition)
    for column in columns:
        _check_row_wise(connection, column, definition.name)
    try:
        found = _types(connection, columns, source)
    except duckdb.Error:
        for column in columns:  # which of them it was
            _check_alone(connection, column, definition, source)
        raise
    by_role: dict[str, dict[str, Any]] = {}
    for column, type_ in zip(columns, found, strict=True):
        _check_type(column, type_, definition.name)
        by_role.setdefault(column.role, {})[column.name] = type_
    return BoundView(definition, source, by_role["key"], by_role["feature"])


def _columns(definition: ViewDefinition) -> list[_Column]:
    columns = [_Column("key", name, sql) for name, sql in definition.keys.items()]
    columns.append(_Column("event_time", "", definition.event_time))
    if definition.created_time:
        columns.append(_Column("created_time", "", definition.created_time))
    return columns + [_Column("feature", name, sql) for name, sql in definition.features.items()]


def _types(connection: duckdb.DuckDBPyConnection, columns: list[_Column], source: str) -> list[Any]:
    listed = ", ".join(f"{column.sql} as c{index}" for index, column in enumerate(columns))
    empty = connection.sql(f"select {listed} from {quoted(source)} limit 0").to_arrow_table()
    return list(empty.schema.types)


def _check_alone(
    connection: duckdb.DuckDBPyConnection, column: _Column, definition: ViewDefinition, source: str
) -> None:
    try:
        _types(connection, [column], source)
    except duckdb.Error as error:
        raise _unbound(connection, error, column, definition, source) from None


def _unbound(
    connection: duckdb.DuckDBPyConnection,
    error: duckdb.Error,
    column: _Column,
    definition: ViewDefinition,
    source: str,
) -> TidewheelError:
    missing = missing_column(str(error))
    where = column.where(definition.name)
    if missing is None:
        told = str(error).split("\n")[0].partition(": ")[2]
        return DefinitionError(f"{column.sql!r} cannot be computed: {told}", (), where=where)
    known = [row[0] for row in connection.execute(f"describe {quoted(source)}").fetchall() if row[0] != POSITION]
    return SchemaMismatchError(
        f"column {missing!r} does not exist in table {definition.table!r}",
        where=where,
        next_step=f"{suggest(missing, known, 'column')}; correct the view, or ingest the column again",
    )


def _check_type(column: _Column, found: Any, view: str) -> None:
    where = column.where(view)
    if column.role in ("event_time", "created_time") and not (pt.is_timestamp(found) and found.tz):
        told = "a time without a time zone" if pt.is_timestamp(found) else f"{found}, no time"
        raise SchemaMismatchError(
            f"{column.sql} is {told}",
            where=where,
            next_step=f"say the zone, such as {column.role}=\"timezone('UTC', {column.sql})\"",
        )
    if column.role == "key" and pt.is_floating(found):
        raise SchemaMismatchError(
            f"{column.sql} is {found}, which is no key", where=where, next_step="cast it to an integer"
        )


def _check_row_wise(connection: duckdb.DuckDBPyConnection, column: _Column, view: str) -> None:
    """Only what depends on nothing but the row can be computed again next year, and row by row."""
    where = column.where(view)
    try:
        tree = parse_select(connection, f"select {column.sql}")
    except ParameterError as error:
        raise DefinitionError(
            f"{column.sql!r} is no SQL: {error.what}",
            (),
            where=where,
            next_step="correct it; a column whose name is no plain word stands in double quotes",
        ) from None
    if len(tree["select_list"]) != 1 or tree["from_table"]["type"] != "EMPTY":
        raise DefinitionError(f"{column.sql!r} is not one expression", (), where=where)
    if beyond := beyond_row(tree["select_list"]):
        raise DefinitionError(
            f"{column.sql!r} uses {beyond}", (), where=where, next_step="compute it from the row alone"
        )
