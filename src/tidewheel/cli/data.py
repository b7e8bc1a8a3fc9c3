"""Commands about tables."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Any

import click

from tidewheel.cli.command import command, opened
from tidewheel.cli.findings import print_findings
from tidewheel.cli.output import as_stored, print_json, print_table
from tidewheel.core.counted import counted
from tidewheel.core.errors import ParameterError


@command("ingest", example="tidewheel ingest flights data/flights-2013-01.csv")
@click.argument("table")
@click.argument("files", nargs=-1, required=True, type=click.Path())
def ingest_command(table: str, files: tuple[str, ...], as_json: bool) -> None:
    """Add the rows of FILES (parquet, csv, json; also zipped) to TABLE; the same content twice adds nothing.

    With a contract declared for TABLE only rows that keep it are published; see `tidewheel contract`.
    """
    with opened() as workspace:
        result = workspace.ingest(table, files)
        if as_json:
            print_json(result)
            return
        skipped = f", {counted(len(result.files_skipped), 'file')} there already" if result.files_skipped else ""
        snapshot = result.snapshot
        if result.quarantined:
            skipped += f", {counted(result.quarantined)} in quarantine"
        if result.report is not None:
            print_findings(result.report)
        if result.quarantined and not result.rows:
            click.echo(f"no row was published: see `tidewheel quarantine show {table}`")
        click.echo(
            f"{table}: {counted(result.rows)} added from {counted(len(result.files_added), 'file')}{skipped}; "
            f"snapshot {snapshot.snapshot_id} has {counted(snapshot.row_count)}"
        )


@command("sql", example='tidewheel sql "select carrier, count(*) n from flights group by 1 order by n desc"')
@click.argument("query")
@click.option("--snapshot", "snapshots", multiple=True, metavar="TABLE@ID", help="Another snapshot than the current.")
@click.option("--engine", help="Ask an engine that tidewheel.toml declares as [engines.NAME].")
@click.option("--into", metavar="TABLE", help="Make the result the rows of TABLE, as a snapshot, and print none.")
@click.option("--limit", default=100, show_default=True, help="Print at most so many rows; 0 for all.")
def sql_command(
    query: str, snapshots: tuple[str, ...], engine: str | None, into: str | None, limit: int, as_json: bool
) -> None:
    """Query the current snapshots of tables, or those named, with DuckDB's SQL, or another engine with its own."""
    named = dict(_parse_snapshot(one) for one in snapshots)
    with opened() as workspace:
        if into is not None:
            if named:
                raise ParameterError("--snapshot and --into do not go together")
            snapshot = workspace.extract(into, query, engine=engine)
            told = f"{into}: snapshot {snapshot.snapshot_id} has {counted(snapshot.row_count)}"
            print_json(snapshot) if as_json else click.echo(told)
            return
        with workspace.stream_sql(query, snapshots=named, engine=engine) as reader:
            shown, more = _first_rows(reader, limit, counts=engine is None)
            names = reader.schema.names
    if as_json:
        print_json([dict(zip(_distinct(names), row, strict=True)) for row in shown])
        return
    print_table(names, map(as_stored, shown), empty="no rows")
    if more:
        click.echo(f"... {more} more rows; --limit 0 prints all")


def _distinct(names: Sequence[str]) -> list[str]:
    """Names of columns, those that a query gives again with a number, since an object has each name once."""
    found: list[str] = []
    for name in names:
        again = (f"{name}_{number}" for number in count(1))
        found.append(name if name not in found else next(one for one in again if one not in {*found, *names}))
    return found


def _first_rows(reader: Any, limit: int, *, counts: bool) -> tuple[list[tuple[Any, ...]], str]:
    """So many rows, all for 0, and how many more there are in words; those are not fetched unless they are counted."""
    rows: list[tuple[Any, ...]] = []
    more = 0
    for batch in reader:
        fitting = batch.slice(0, limit - len(rows)) if limit else batch
        rows += zip(*(column.to_pylist() for column in fitting.columns), strict=True)
        more += batch.num_rows - fitting.num_rows
        if more and not counts:
            return rows, "there are"
    return rows, f"{more:,}" if more else ""


def _parse_snapshot(text: str) -> tuple[str, int]:
    table, _, number = text.rpartition("@")
    if not table or not number.isdigit():
        raise ParameterError(
            f"{text!r} names no snapshot", next_step="write TABLE@ID; `tidewheel tables TABLE` has ids"
        )
    return table, int(number)
