"""Commands about tables."""

from __future__ import annotations

from collections.abc import Sized

import click

from tidewheel.cli.command import command, opened
from tidewheel.cli.findings import print_findings
from tidewheel.cli.output import print_json, print_table
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
        skipped = f", {_count(result.files_skipped)} there already" if result.files_skipped else ""
        snapshot = result.snapshot
        if result.quarantined:
            skipped += f", {result.quarantined:,} rows in quarantine"
        if result.report is not None:
            print_findings(result.report)
        click.echo(
            f"{table}: {result.rows:,} rows added from {_count(result.files_added)}{skipped}; "
            f"snapshot {snapshot.snapshot_id} has {snapshot.row_count:,} rows"
        )


def _count(files: Sized) -> str:
    return f"{len(files)} file{'' if len(files) == 1 else 's'}"


@command("sql", example='tidewheel sql "select carrier, count(*) n from flights group by 1 order by n desc"')
@click.argument("query")
@click.option("--snapshot", "snapshots", multiple=True, metavar="TABLE@ID", help="Another snapshot than the current.")
@click.option("--limit", default=100, show_default=True, help="Print at most so many rows; 0 for all.")
def sql_command(query: str, snapshots: tuple[str, ...], limit: int, as_json: bool) -> None:
    """Query the current snapshots of tables, or those named, with DuckDB's SQL."""
    named = dict(_parse_snapshot(one) for one in snapshots)
    with opened() as workspace:
        result = workspace.sql(query, snapshots=named)
        shown = result.slice(0, limit) if limit else result
        if as_json:
            print_json(shown.to_pylist())
            return
        rows = [tuple(row.values()) for row in shown.to_pylist()]
        print_table(result.column_names, rows, empty="no rows")
        if len(shown) < len(result):
            click.echo(f"... {len(result) - len(shown):,} more rows; --limit 0 prints all")


def _parse_snapshot(text: str) -> tuple[str, int]:
    table, _, number = text.rpartition("@")
    if not table or not number.isdigit():
        raise ParameterError(
            f"{text!r} names no snapshot", next_step="write TABLE@ID; `tidewheel tables TABLE` has ids"
        )
    return table, int(number)
