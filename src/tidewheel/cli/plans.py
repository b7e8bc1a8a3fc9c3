"""The command about plans."""

from __future__ import annotations

import click

from tidewheel.cli.arguments import parse_parameter_options
from tidewheel.cli.command import command, opened
from tidewheel.cli.output import print_json, print_table


@command(
    "plan",
    example="tidewheel plan training --mermaid",
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
)
@click.argument("pipeline", required=False)
@click.argument("parameters", nargs=-1, type=click.UNPROCESSED)
@click.option("--mermaid", is_flag=True, help="Print a Mermaid diagram.")
def plan_command(pipeline: str | None, parameters: tuple[str, ...], mermaid: bool, as_json: bool) -> None:
    """Show what PIPELINE would do, running nothing; without PIPELINE, list the pipelines and their parameters."""
    with opened() as workspace:
        if pipeline is None:
            declared = workspace.project.declared().pipelines
            if as_json:
                print_json(declared)
                return
            rows = [
                (one.name, one.address, ", ".join(str(parameter) for parameter in one.parameters))
                for one in declared.values()
            ]
            print_table(("pipeline", "defined", "parameters"), rows, empty="no pipeline is declared")
            return
        plan = workspace.plan(pipeline, **parse_parameter_options(parameters))
        if as_json:
            print_json(plan)
        else:
            click.echo(plan.to_mermaid() if mermaid else plan.to_text())
