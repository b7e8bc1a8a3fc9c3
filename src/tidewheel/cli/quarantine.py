"""Commands about quarantine."""

from __future__ import annotations

import click

from tidewheel.cli.command import command, opened
from tidewheel.cli.findings import print_findings
from tidewheel.cli.output import as_stored, print_json, print_table
from tidewheel.core.counted import counted


@command("list", example="tidewheel quarantine list")
@click.argument("table", required=False)
def list_command(table: str | None, as_json: bool) -> None:
    """List what is in quarantine, of all tables or of TABLE: one line for each ingest."""
    with opened() as workspace:
        batches = workspace.quarantine.list(table)
        if as_json:
            print_json(batches)
            return
        rows = [
            (one.ingest_id, one.table, one.rows, one.at, one.status, one.reasons, ", ".join(one.files))
            for one in batches
        ]
        columns = ("ingest", "table", "rows", "at", "status", "reasons", "files")
        print_table(columns, rows, empty="nothing is in quarantine")


@command("show", example="tidewheel quarantine show flights --limit 5")
@click.argument("table")
@click.option("--ingest", help="Only the rows of this ingest.")
@click.option("--limit", default=20, show_default=True, help="Print at most so many rows; 0 for all.")
def show_command(table: str, ingest: str | None, limit: int, as_json: bool) -> None:
    """Show the rows of TABLE in quarantine, where they came from and which rules they broke."""
    with opened() as workspace:
        rows = workspace.quarantine.rows(table, ingest)
        shown = (rows.slice(0, limit) if limit else rows).to_pylist()
        if as_json:
            print_json(shown)
            return
        facts = ("tidewheel_file", "tidewheel_row", "tidewheel_reasons")
        own = [name for name in rows.column_names if not name.startswith("tidewheel_")]
        columns = [*(name.removeprefix("tidewheel_") for name in facts), *own]
        lines = [[", ".join(row[n]) if n == facts[2] else row[n] for n in (*facts, *own)] for row in shown]
        print_table(columns, map(as_stored, lines), empty="nothing is in quarantine")
        if len(shown) < rows.num_rows:
            click.echo(f"... {rows.num_rows - len(shown):,} more rows; --limit 0 prints all")


@command("release", example="tidewheel quarantine release flights")
@click.argument("table")
@click.option("--ingest", help="Only the rows of this ingest.")
def release_command(table: str, ingest: str | None, as_json: bool) -> None:
    """Publish the rows of TABLE in quarantine that keep the contract of today; the others stay."""
    with opened() as workspace:
        results = workspace.quarantine.release(table, ingest)
        if as_json:
            print_json(results)
            return
        for result in results:
            print_findings(result.report)
            renamed = f" as {result.kept_as}" if result.kept and result.kept_as not in ("", result.ingest_id) else ""
            click.echo(f"{result.ingest_id}: {counted(result.released)} released, {result.kept:,} stay{renamed}")
        if not results:
            click.echo("nothing is in quarantine")


@command("drop", example="tidewheel quarantine drop flights --ingest 1m7ysvy2kms2qbze")
@click.argument("table")
@click.option("--ingest", help="Only the rows of this ingest.")
def drop_command(table: str, ingest: str | None, as_json: bool) -> None:
    """Take rows of TABLE out of quarantine for good."""
    with opened() as workspace:
        rows = workspace.quarantine.drop(table, ingest)
        print_json({"rows": rows}) if as_json else click.echo(f"{table}: {counted(rows)} dropped from quarantine")


quarantine_command = click.Group(
    "quarantine",
    help="Rows that broke a table's contract: look at them, let them in, or drop them.",
    commands={"list": list_command, "show": show_command, "release": release_command, "drop": drop_command},
    epilog="Example:  tidewheel quarantine list",
)
