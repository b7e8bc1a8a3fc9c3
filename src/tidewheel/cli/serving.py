"""Commands about endpoints: deploy, ask, and tell what was true."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tidewheel.cli.batch_progress import BatchProgressPrinter
from tidewheel.cli.command import command, opened
from tidewheel.cli.output import print_json, print_left, print_table
from tidewheel.core.errors import ParameterError, UnreadableFileError

if TYPE_CHECKING:
    from tidewheel.workspace import Workspace


@command("deploy", example="tidewheel deploy flight-delay --to dev")
@click.argument("model")
@click.option("--to", "place", type=click.Choice(["dev"]), default="dev", show_default=True, help="Where to.")
@click.option("--version", type=int, help="A version instead of the champion.")
def deploy_command(model: str, place: str, version: int | None, as_json: bool) -> None:
    """Bring MODEL's champion to its endpoint; what answers there is replaced without a dropped request."""
    with opened() as workspace:
        state = workspace.deploy(model, version=version)
        if as_json:
            print_json(state)
            return
        click.echo(f"{model} v{state.version} answers at {state.url}/v2/models/{model}/infer")
        print_left({old: new for old, new in workspace.left_endpoints().items() if new == state.endpoint})


@command("undeploy", example="tidewheel undeploy flight-delay")
@click.argument("model")
def undeploy_command(model: str, as_json: bool) -> None:
    """Take MODEL's endpoint down, or the endpoint of this name."""
    with opened() as workspace:
        endpoint = workspace.undeploy(model)
        print_json({"endpoint": endpoint, "status": "down"}) if as_json else click.echo(f"{endpoint} is down")


@command("predict", example="tidewheel predict flight-delay --example | tidewheel predict flight-delay -")
@click.argument("model")
@click.argument("rows", type=click.Path(), required=False)
@click.option("--example", is_flag=True, help="Ask nothing: print rows from the examples in the model's package.")
@click.option("--table", help="Answer all rows of this table, without an endpoint, into the table of --to.")
@click.option("--snapshot", type=int, help="With --table: this snapshot instead of the current one.")
@click.option("--version", type=int, help="With --table: this version instead of the champion.")
@click.option("--to", help="With --table: the table of the answers; its rows are replaced.")
@click.option("--keep", multiple=True, help="With --table: a column to keep, repeatable; all but features otherwise.")
@click.option("--append", "appends", is_flag=True, help="With --table: add to the rows that the table of --to has.")
@click.option("--event-time", default="event_time", show_default=True, help="With --table: the time to join views at.")
def predict_command(
    model: str, rows: str | None, example: bool, table: str | None, as_json: bool, **options: Any
) -> None:
    """Ask MODEL's endpoint about ROWS: a JSON file with a list of objects, or - for standard input.

    With --table, answer all rows of a snapshot in place of an endpoint. The same command after a kill goes on where it
    was, and when it was done does nothing: each answer is there once.
    """
    with opened() as workspace:
        if table is not None:
            _predict_table(workspace, model, table, as_json=as_json, **options)
            return
        if example:
            print_json(workspace.example(model))
            return
        if rows is None:
            raise ParameterError("no rows are given", next_step="name a JSON file, - for standard input, or --table")
        answers = workspace.predict(model, _columns(_read_rows(rows)))
        if as_json:
            print_json(answers)
            return
        if "outliers" in answers:
            answers["outliers"] = [", ".join(map(_outlier, row)) for row in answers["outliers"]]
        print_table(list(answers), list(zip(*answers.values(), strict=True)), empty="no rows")


def _outlier(found: dict[str, Any]) -> str:
    return f"{found['column']} is {found['value']:g}, beyond {found['limit']:g}: {found['policy']}"


def _predict_table(
    workspace: Workspace,
    model: str,
    table: str,
    *,
    to: str | None,
    keep: tuple[str, ...],
    as_json: bool,
    **options: Any,
) -> None:
    if to is None:
        raise ParameterError("no table for the answers is given", next_step=f"add such as --to {table}_predictions")
    from tidewheel.workspace.batch_prediction import ignore_progress

    listener = ignore_progress if as_json else BatchProgressPrinter()
    result = workspace.predict_table(model, table, to=to, keep=keep or None, tell=listener, **options)
    if as_json:
        print_json(result)
        return
    done = "answered" if result.is_new else "had been answered before; nothing was done:"
    click.echo(
        f"{result.rows:,} rows of {table}@{result.input.snapshot_id} {done} by {model} v{result.version}: "
        f"{to}@{result.snapshot.snapshot_id}"
    )
    for name in result.left_out:
        click.echo(f"column {name!r} is left out: an answer has its name")
    click.echo(f"look closer: tidewheel why {to}")


@command("label", example="tidewheel label labels.csv")
@click.argument("files", nargs=-1, required=True, type=click.Path())
def label_command(files: tuple[str, ...], as_json: bool) -> None:
    """Tell what turned out to be true: FILES with the columns prediction_id, label and, if known, at."""
    with opened() as workspace:
        added = workspace.label(files)
        print_json({"rows": added}) if as_json else click.echo(f"{added:,} labels added")


def _read_rows(path: str) -> list[dict[str, Any]]:
    try:
        text = sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8")
        rows = json.loads(text)
    except (OSError, ValueError) as error:
        name = "standard input" if path == "-" else path
        told = 'write [{"feature": 1}]; `tidewheel predict MODEL --example` shows rows'
        raise UnreadableFileError(f"{name} holds no JSON: {error}", next_step=told) from None
    if isinstance(rows, dict):
        rows = [rows]
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise ParameterError(f"{path} must hold a list of objects", next_step='write [{"feature": 1}]')
    return rows


def _columns(rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    names = list(rows[0])
    for number, row in enumerate(rows):
        if set(row) != set(names):
            raise ParameterError(
                f"row {number} has other fields than row 0: {', '.join(sorted(set(row) ^ set(names)))}",
                next_step="ask about rows with other fields in a call of their own",
            )
        if lists := [name for name, value in row.items() if isinstance(value, list)]:
            told = "write one object for each row: [{...}, {...}]"
            raise ParameterError(f"row {number} holds a list under {lists[0]!r}, not one value", next_step=told)
    return {name: [row[name] for row in rows] for name in names}
