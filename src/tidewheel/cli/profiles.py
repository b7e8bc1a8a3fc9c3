"""Commands about what tables look like."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tidewheel.cli.command import command, opened
from tidewheel.cli.output import as_stored, print_json, print_table, write_text
from tidewheel.core.counted import counted
from tidewheel.core.errors import ParameterError

if TYPE_CHECKING:
    from tidewheel.steps.data_analysis import TableAnalysis


@command("profile", example="tidewheel profile flights --target arr_delay")
@click.argument("table")
@click.option("--snapshot", type=int, metavar="ID", help="Of this snapshot instead of the current one.")
@click.option("--compare", type=int, metavar="ID", help="Show what has changed since this snapshot.")
@click.option(
    "--ignore", multiple=True, metavar="COLUMN", help="With --compare: its values move by nature; repeatable."
)
@click.option("--target", default="", metavar="COLUMN", help="Set every column against this one.")
@click.option("--time", default="", metavar="COLUMN", help="What time rows are about; found by itself.")
@click.option("--to", type=click.Path(dir_okay=False, path_type=Path), help="Write the page to this file.")
def profile_command(
    table: str,
    snapshot: int | None,
    compare: int | None,
    ignore: tuple[str, ...],
    target: str,
    time: str,
    to: Path | None,
    as_json: bool,
) -> None:
    """Look at all rows of TABLE and write a page on them: distributions, missing values, what goes together, what
    changes with time, and the preparation that it suggests. `tidewheel tables TABLE` has the ids of snapshots."""
    if ignore and compare is None:
        raise ParameterError("--ignore is about a comparison", next_step="add --compare ID, or leave it out")
    with opened() as workspace:
        used = snapshot if snapshot is not None else workspace.table(table).snapshot.snapshot_id
        found = workspace.analyze(table, snapshot=used, compare=compare, ignore=ignore, target=target, time=time)
        place = to or workspace.folder / "profiles" / f"{table}-{used}.html"
        write_text(place, found.to_html(), makes_folder=True)
        if as_json:
            print_json({**found.to_dict(), "page": str(place)})
            return
        _print(found)
        click.echo(f"\npage: {place}")


def _print(found: TableAnalysis) -> None:
    summary = found.profile.summary()
    click.echo(f"{found.title}: {counted(summary['rows'])}")
    columns = ("column", "type", "missing", "distinct", "least", "median", "greatest", "most frequent")
    print_table(columns, [_row(column) for column in summary["columns"]], empty="it has no columns")
    if found.comparison is not None:
        moved = [f"{one.name} (distance {one.jensen_shannon or 0:.2f})" for one in found.comparison.moved]
        click.echo(f"\nmoved: {', '.join(moved) or 'nothing'}")
        spared = [f"{one.name} ({one.exemption})" for one in found.comparison.columns if not one.is_judged]
        if spared:
            click.echo(f"not judged: {', '.join(spared)}")
    click.echo("")
    rows = [("urgent" if one.is_urgent else "", one.column, one.topic, one.finding) for one in found.work]
    print_table(("", "column", "to prepare", "because"), rows, empty="nothing to prepare")


def _row(column: dict[str, Any]) -> tuple[Any, ...]:
    values = column.get("values", []) if column["kind"] != "time" else []
    top = str(values[0]["value"])[:24] if values and values[0]["count"] > 1 else ""
    middle = column.get("quantiles", {}).get("0.5", "")
    if isinstance(column.get("minimum"), int) and isinstance(middle, float) and middle.is_integer():
        middle = int(middle)
    numbers = [column.get("minimum", ""), middle, column.get("maximum", "")]
    if column["kind"] == "time":  # as the other tables of the command line have times
        length = len("2013-01-01" if column["type"].startswith("date") else "2013-01-01 00:00:00")
        numbers = [str(one or "").replace("T", " ")[:length] for one in numbers]
    return (
        column["name"],
        column["type"],
        f"{100 * column['missing_share']:.1f} %",
        column["distinct"],
        *as_stored(numbers),
        top,
    )
