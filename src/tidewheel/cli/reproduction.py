"""The command that carries a run out again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from tidewheel.cli import exit_code
from tidewheel.cli.command import command, opened
from tidewheel.cli.output import print_json, print_table
from tidewheel.cli.progress import ProgressPrinter
from tidewheel.orchestrator.progress import silent

if TYPE_CHECKING:  # as in `cli.runs`
    from tidewheel.workspace.reproduction import Reproduction

_MOST_REASONS = 3


@command("reproduce", example="tidewheel reproduce flight-delay --version 2")
@click.argument("name", metavar="MODEL|RUN")
@click.option("--version", type=int, help="Of the model; the champion by default.")
def reproduce_command(name: str, version: int | None, as_json: bool) -> None:
    """Carry out again, every step, the RUN or the run that made MODEL, and tell which outputs are the same.

    Its sources, parameters, snapshots, champions and references are used again, on the packages of today. Nothing is
    registered. Ends with 0 when all outputs are equal.
    """
    with opened(is_for_run=True) as workspace:
        found = workspace.reproduce(name, version, listener=silent if as_json else ProgressPrinter())
        if as_json:
            print_json({**found.to_dict(), "is_equal": found.is_equal})
        else:
            _print(found)
    ended = exit_code.of_run(found.status)
    click.get_current_context().exit(ended if ended or found.is_equal else exit_code.FAILED)


def _print(found: Reproduction) -> None:
    rows = [(one.node, one.status, " ".join(one.outputs), _told(one.reasons)) for one in found.steps]
    print_table(("step", "result", "outputs", "given otherwise"), rows, empty="it has no steps")
    first = found.first_difference
    if found.is_equal:
        click.echo(f"run {found.run_id} is reproduced: each output has the digest that it had")
    elif first is not None and first.status == "different":
        given = "" if first.reasons else " although it was given the same"
        click.echo(f"run {found.run_id} is not reproduced: step {first.node} gave something else{given}")
        click.echo(f"  next:  `tidewheel compare {found.run_id} {found.repetition_id}`")
    else:
        click.echo(f"run {found.run_id} is not reproduced: not all steps succeeded in both runs")


def _told(reasons: Sequence[str]) -> str:
    more = len(reasons) - _MOST_REASONS
    return "; ".join(reasons[:_MOST_REASONS]) + (f" and {more} more" if more > 0 else "")
