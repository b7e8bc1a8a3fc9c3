"""Commands about tables as such: what there is, and their care."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from tidewheel.cli.command import command, opened
from tidewheel.cli.output import print_json, print_table

if TYPE_CHECKING:
    from tidewheel.table_store import MaintenanceResult


@command("list", example="tidewheel tables list flights")
@click.argument("table", required=False)
def list_command(table: str | None, as_json: bool) -> None:
    """List all tables, or the snapshots of TABLE."""
    with opened() as workspace:
        if table is None:
            infos = workspace.tables()
            if as_json:
                print_json(infos)
                return
            rows = [
                (one.name, one.row_count, len(one.columns), one.snapshot_count, one.file_count, one.committed_at)
                for one in infos
            ]
            empty = "no table yet: add one with `tidewheel ingest TABLE FILES`"
            print_table(("table", "rows", "columns", "snapshots", "files", "committed"), rows, empty=empty)
            return
        snapshots = workspace.snapshots(table)
        if as_json:
            print_json(snapshots)
            return
        columns = ("snapshot", "committed", "rows", "files", "content")
        lines = [
            (str(one.snapshot_id), one.committed_at, one.row_count, one.file_count, one.digest[:16])
            for one in snapshots
        ]
        print_table(columns, lines, empty="it has no snapshot")


@command("maintain", example="tidewheel tables maintain flights")
@click.argument("table", required=False)
def maintain_command(table: str | None, as_json: bool) -> None:
    """Put small files of TABLE or of all tables together, forget old snapshots, remove files that nothing needs.

    Rows, their order and the content's digest stay. Snapshots that a run, a tag or a model version holds stay too. How
    much else is kept stands in [tables] of tidewheel.toml.
    """
    with opened() as workspace:
        results = workspace.maintain(table)
        if as_json:
            print_json(results)
            return
        for result in results:
            click.echo(f"{result.table}: {told(result)}")
        if not results:
            click.echo("no table yet")


def told(result: MaintenanceResult) -> str:
    """What was done for a table, in words."""
    done = []
    if result.compaction is not None:
        done.append(f"{result.compaction.files_removed:,} files became {result.compaction.files_added:,}")
    if result.skipped:
        done.append(f"its files stay as they are: {result.skipped}")
    if result.expired:
        done.append(f"{len(result.expired):,} snapshots forgotten")
    if result.orphans:
        done.append(f"{result.orphans:,} files removed ({result.freed_bytes / 1e6:,.1f} MB)")
    return ", ".join(done) or "nothing to do"


class TablesGroup(click.Group):
    """`tables`, `tables NAME` and `tables maintain`; a table named like a command is listed by `tables list NAME`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        words = [arg for arg in args if not arg.startswith("-")]
        if not {"--help", "-h"}.intersection(args) and (not words or words[0] not in self.commands):
            args = ["list", *args]
        return super().parse_args(ctx, args)


tables_command: Any = TablesGroup(
    "tables",
    help="List tables, or the snapshots of one (`tidewheel tables NAME`), and care for them.",
    commands={"list": list_command, "maintain": maintain_command},
    epilog="Example:  tidewheel tables flights",
)
