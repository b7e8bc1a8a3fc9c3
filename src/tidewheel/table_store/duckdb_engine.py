"""SQL on snapshots by DuckDB, straight on their Parquet files.

Each table that a query names becomes a view on the files of one snapshot, so that projections and filters reach the
files. Where plain Parquet would give wrong rows (columns changed since, rows deleted) the view is on an Iceberg scan in
memory. A query can reach nothing else: one `select`, no other file, no network, no extension, no setting, no Python
variable.

The same query on the same snapshots gives the same rows. Their order is that of `order by`; a plain query without it
keeps the order of ingestion, while groups and joins have none of their own. Sums of floating point numbers may differ
in the last bits between runs with more than one thread; with `threads=1` all is equal to the last bit, order included.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import duckdb
import pyarrow as pa

from tidewheel.core.errors import (
    ArtifactCorruptError,
    ArtifactMissingError,
    NotFoundError,
    ParameterError,
    SchemaMismatchError,
    TidewheelError,
    suggest,
)
from tidewheel.table_store.contract_sql import quoted
from tidewheel.table_store.duckdb_syntax import columns_of, parse_select, short, tables_of
from tidewheel.table_store.table_reference import TableReference

Parameters = Mapping[str, Any] | Sequence[Any] | None

_NO_COLUMN = re.compile(r'Referenced column "([^"]+)" not found|does not have a column named "([^"]+)"')


def run_sql(
    query: str,
    references: Mapping[str, TableReference],
    *,
    parameters: Parameters = None,
    threads: int | None = None,
) -> pa.Table:
    """The result of one `select` over snapshots.

    Args:
        query: DuckDB's SQL; `$name` or `?` stand for parameters.
        references: the tables by the names that the query uses; only those it names are opened.
        parameters: by name or by position.
        threads: how many DuckDB may use; all cores by default.

    Raises:
        NotFoundError: the query names a table that is not among the references.
        SchemaMismatchError: it names a column that its tables do not have.
        ParameterError: it is no single `select`, reaches outside its tables, lacks a parameter, or fails on a value.
        ArtifactMissingError: a data file is gone.
        ArtifactCorruptError: a data file is no longer readable.
    """
    with _opened(query, references, threads) as connection:
        relation = _run(connection, query, parameters)
        return _plain(relation.to_arrow_table())


def stream_sql(
    query: str,
    references: Mapping[str, TableReference],
    *,
    parameters: Parameters = None,
    threads: int | None = None,
    batch_rows: int = 65_536,
) -> Generator[pa.RecordBatch, None, None]:
    """As `run_sql`, batch by batch with bounded memory."""
    with _opened(query, references, threads) as connection:
        reader = _run(connection, query, parameters).to_arrow_reader(batch_rows)
        try:
            yield from reader
        except (OSError, pa.ArrowException) as error:  # a stream passes DuckDB's errors on without their class
            raise duckdb.Error(str(error)) from None


@contextmanager
def open_snapshots(
    references: Mapping[str, TableReference], *, threads: int | None = None, position: str = ""
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection on which each snapshot is a view of its name, for several statements on the same snapshots.

    Nothing else can be reached from it; errors of DuckDB inside come out as Tidewheel's, as from `run_sql`.

    Args:
        references: the snapshots by name.
        threads: how many DuckDB may use; all cores by default.
        position: the name of one more column of each view, a number that grows in the order of ingestion.
    """
    with duckdb.connect(":memory:", config=configuration(threads)) as connection:
        with told(", ".join(references), references):
            confine(connection, references)
            for name, reference in references.items():
                _create_view(connection, name, reference, {}, position)
            yield connection


def tables_in(query: str) -> set[str]:
    """The tables that a query reads, as DuckDB's own parser sees it; names that the query defines itself are left out.

    Raises:
        ParameterError: the query is no single `select`.

    Example:
        >>> sorted(tables_in("with late as (select * from flights) select * from late join hourly using (origin)"))
        ['flights', 'hourly']
    """
    with duckdb.connect(":memory:", config=configuration(1)) as connection:
        return tables_of(parse_select(connection, query))


def missing_column(message: str) -> str | None:
    """The column that an error of DuckDB says does not exist; None when it says something else."""
    found = _NO_COLUMN.search(message)
    return (found[1] or found[2]) if found else None


def _run(connection: duckdb.DuckDBPyConnection, query: str, parameters: Parameters) -> duckdb.DuckDBPyRelation:
    values = dict(parameters) if isinstance(parameters, Mapping) else list(parameters or ())
    return connection.sql(query, params=values) if values else connection.sql(query)


@contextmanager
def _opened(
    query: str, references: Mapping[str, TableReference], threads: int | None
) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(":memory:", config=configuration(threads)) as connection:
        tree = parse_select(connection, query)
        used = _used(tree, query, references)
        with told(query, used):
            confine(connection, used)
            for name, reference in used.items():
                _create_view(connection, name, reference, tree)
            yield connection


def confine(connection: duckdb.DuckDBPyConnection, used: Mapping[str, TableReference]) -> None:
    """Leaves the files of these tables within reach, and nothing else; one call, since each costs a millisecond."""
    paths = [file.path for reference in used.values() if reference.is_direct for file in reference.files]
    connection.execute(
        f"""set TimeZone = 'UTC'; set allowed_paths = {list_of(paths)};
        set enable_external_access = false; set lock_configuration = true"""
    )


def _used(tree: dict[str, Any], query: str, references: Mapping[str, TableReference]) -> dict[str, TableReference]:
    by_folded = {name.casefold(): (name, reference) for name, reference in references.items()}
    used = {}
    for name in sorted(tables_of(tree)):
        if name.casefold() not in by_folded:
            raise NotFoundError("table", name, known=references, where=f"query: {short(query)}")
        known, reference = by_folded[name.casefold()]
        used[known] = reference
    return used


def configuration(threads: int | None) -> dict[str, Any]:
    """How DuckDB is started: no extension, no Python variable, results in the order of the rows."""
    config: dict[str, Any] = {
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "python_enable_replacements": "false",
        "preserve_insertion_order": "true",
        # By default results larger than memory would be spilled into the current folder.
        "temp_directory": os.path.join(tempfile.gettempdir(), f"tidewheel-sql-{os.getpid()}"),
    }
    if threads is not None:
        config["threads"] = str(threads)
    return config


def _create_view(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    reference: TableReference,
    tree: dict[str, Any],
    position: str = "",
) -> None:
    schema, _, table = name.rpartition(".")
    qualified = quoted(table)
    if schema:
        connection.execute(f"create schema if not exists {quoted(schema)}")
        qualified = f"{quoted(schema)}.{qualified}"
    _create_view_as(connection, name, qualified, reference, tree, position)
    if schema:  # `"quarantine.flights"`, in quotes as a whole, is one name to DuckDB
        connection.execute(f"create view {quoted(name)} as select * from {qualified}")


def _create_view_as(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    qualified: str,
    reference: TableReference,
    tree: dict[str, Any],
    position: str,
) -> None:
    columns = pa.ipc.read_schema(pa.py_buffer(reference.schema))
    if reference.is_direct and reference.files:
        names = ", ".join(quoted(column) for column in columns.names)
        number = f", (file_index << 40) + file_row_number as {quoted(position)}" if position else ""
        connection.execute(f"create view {qualified} as select {names}{number} from {parquet(reference)}")
        return
    rows = columns.empty_table() if reference.is_direct else _scanned(reference, columns, tree)
    if position:
        rows = rows.append_column(position, pa.array(range(rows.num_rows), pa.int64()))
    source = f"tidewheel source {name}"
    connection.register(source, rows)
    connection.execute(f"create view {qualified} as select * from {quoted(source)}")


def _scanned(reference: TableReference, schema: pa.Schema, tree: dict[str, Any]) -> pa.Table:
    mentioned = columns_of(tree)
    wanted = None if mentioned is None else [name for name in schema.names if name.lower() in mentioned]
    # PyIceberg costs a second to import, and most snapshots never need it.
    rows: pa.Table = import_module("tidewheel.table_store.pyiceberg_scan").scan_snapshot(reference, wanted or None)
    return rows


@contextmanager
def told(query: str, references: Mapping[str, TableReference]) -> Iterator[None]:
    """Turns DuckDB's errors into Tidewheel's."""
    try:
        yield
    except duckdb.Error as error:
        raise _translated(error, query, references) from None


def _translated(error: duckdb.Error, query: str, references: Mapping[str, TableReference]) -> TidewheelError:
    what, _, place = str(error).partition("\n\nLINE ")
    what = what.partition(": ")[2] or what
    where = f"query, line {place}" if place else f"query: {short(query)}"
    for name, reference in references.items():
        for file in reference.files if reference.is_direct else ():
            if not os.path.exists(file.path):
                return ArtifactMissingError(
                    f"data file {file.path} of table {name!r} is missing",
                    next_step="restore it, or read another snapshot",
                )
            if file.path in what:
                return ArtifactCorruptError(
                    f"data file {file.path} of table {name!r} cannot be read: {what}", next_step="restore the file"
                )
    if column := missing_column(what):
        known = {c for r in references.values() for c in pa.ipc.read_schema(pa.py_buffer(r.schema)).names}
        return SchemaMismatchError(
            f"column {column!r} does not exist in {', '.join(map(repr, references)) or 'the query'}",
            where=where,
            next_step=suggest(column, known, "column"),
        )
    if isinstance(error, duckdb.PermissionException):
        return ParameterError(
            "the query reaches outside its tables", where=where, next_step="name tables only; ingest files first"
        )
    deep = next((name for name in references if name.count(".") > 1), None)  # three parts are a catalog's to DuckDB
    next_step = f'write "{deep}" in double quotes' if deep else "correct the query or its parameters"
    return ParameterError(what, where=where, next_step=next_step)


def _plain(table: pa.Table) -> pa.Table:
    """Without the writer's metadata, so that equal results are equal tables."""
    return table.replace_schema_metadata(None)


def parquet(reference: TableReference) -> str:
    """The rows of a direct snapshot as a relation in SQL.

    The least and greatest value that a Parquet file tells leave NaN out. Unless it is told that there may be some,
    DuckDB concludes that there is none, and `isnan(x)` or `x = 'nan'` is false without a look at the rows.
    """
    return f"read_parquet({list_of([file.path for file in reference.files])}, can_have_nan = true)"


def list_of(paths: Sequence[str]) -> str:
    """Paths as a list in SQL."""
    return "[" + ", ".join("'" + path.replace("'", "''") + "'" for path in paths) + "]"
