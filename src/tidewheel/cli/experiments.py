"""Commands that look for runs and put them side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tidewheel.cli.command import command, opened
from tidewheel.cli.output import print_json, print_table, write_text
from tidewheel.workspace.cell import format_cell

_FIRST = ("run", "pipeline", "status", "at")
_SHOWN = 12


@command("experiments", example="tidewheel experiments --sort roc_auc --filter 'rounds>=100' --limit 5")
@click.option("--sort", default="", metavar="NAME", help="By this metric or parameter, the greatest first.")
@click.option("--ascending", is_flag=True, help="The least, or without --sort the oldest, first.")
@click.option(
    "--filter",
    "filters",
    multiple=True,
    metavar="CONDITION",
    help="Only runs with NAME=VALUE (also !=, <, <=, >, >=): a metric, a parameter, pipeline or status; repeatable.",
)
@click.option("--limit", default=20, show_default=True, type=click.IntRange(min=1), help="At most so many.")
def experiments_command(sort: str, ascending: bool, filters: tuple[str, ...], limit: int, as_json: bool) -> None:
    """List the runs of pipelines with their parameters and metrics. A name that both have is `metric.NAME` or
    `parameter.NAME`."""
    with opened() as workspace:
        found = workspace.experiments(*filters, sort=sort, is_ascending=ascending, limit=limit)
        if as_json:
            print_json(list(found))
            return
        rows = found.rows()
        names = _columns(rows, sort)
        shown = names[:_SHOWN]
        print_table(shown, [[_cell(row.get(name)) for name in shown] for row in rows], empty="no such run")
        if len(names) > _SHOWN:
            click.echo(f"and {', '.join(names[_SHOWN:])}: --json shows all")


@command("compare", example="tidewheel compare 1m7y 1m7z --html compared.html")
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@click.option("--all", "with_equal", is_flag=True, help="Also what is the same in all.")
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="Write a page with plots to this file.")
def compare_command(runs: tuple[str, ...], with_equal: bool, html: Path | None, as_json: bool) -> None:
    """Put runs side by side: what differs in data, code, parameters, environment and metrics."""
    with opened() as workspace:
        found = workspace.compare(*runs)
        if html is not None:
            write_text(html, found.to_html(), option="--html")
        if as_json:
            print_json(found.to_dict())
            return
        rows = found.rows if with_equal else found.differences
        head = ("", "", *found.run_ids)
        print_table(head, [(row.topic, row.name, *map(_cell, row.values)) for row in rows], empty="nothing differs")
        if not with_equal:
            click.echo(f"{len(found.rows) - len(rows)} other things are the same: --all shows them")
        if html is not None:
            click.echo(f"page: {html}")


def _columns(rows: list[dict[str, Any]], sort: str) -> list[str]:
    """The run, what is sorted by, what differs between the runs that have it, and only then what does not.

    Example:
        >>> _columns([{"run": "b", "rate": 1, "depth": 2, "auc": 0.7}, {"run": "a", "rate": 1, "depth": 3}], sort="")
        ['run', 'depth', 'rate', 'auc']
    """
    names = dict.fromkeys(name for row in rows for name in row)
    first = [name for name in (*_FIRST, sort) if name in names]
    rest = [name for name in names if name not in first]
    return first + sorted(rest, key=lambda name: len({repr(row[name]) for row in rows if name in row}) < 2)


def _cell(value: Any) -> str:
    text = format_cell(value)
    return text if len(text) <= 48 else f"{text[:47]}…"
