"""Commands about models and their versions."""

from __future__ import annotations

from collections.abc import Mapping

import click

from tidewheel.cli.command import command, opened
from tidewheel.cli.output import format_cell, print_json, print_table


@command("models", example="tidewheel models flight-delay")
@click.argument("model", required=False)
def models_command(model: str | None, as_json: bool) -> None:
    """List the models that have versions, or the versions of MODEL."""
    with opened() as workspace:
        versions = workspace.versions(model)
        champions = {name: workspace.champion(name) for name in {one.model for one in versions}}
        numbers = {name: one.version if one else None for name, one in champions.items()}
        if as_json:
            print_json({"champions": numbers, "versions": versions})
            return
        rows = [
            (
                one.model,
                f"v{one.version}",
                "champion" if numbers[one.model] == one.version else "",
                one.state,
                one.at,
                one.run_id,
                _main_metric(one.metrics),
                one.reason[:90],
            )
            for one in versions
        ]
        columns = ("model", "version", "alias", "state", "registered", "run", "metric", "reason")
        print_table(columns, rows, empty="no version yet: run the pipeline of a declared Model")
        for finding in workspace.check_models(model):
            click.secho(str(finding), fg="red")


def _main_metric(metrics: Mapping[str, float | None]) -> str:
    name = next(iter(sorted(metrics, key=lambda one: one != "roc_auc")), "")
    return f"{name} {format_cell(metrics[name])}" if name else ""


@command("promote", example="tidewheel promote flight-delay 2")
@click.argument("model")
@click.argument("version", type=int, required=False)
@click.option("--reason", default="on request", show_default=True, help="Why, for the record.")
@click.option("--force", is_flag=True, help="Also when its verdict compared it with another champion.")
def promote_command(model: str, version: int | None, reason: str, force: bool, as_json: bool) -> None:
    """Make VERSION of MODEL the champion; without VERSION the newest approved one."""
    with opened() as workspace:
        promoted = workspace.promote(model, version, reason=reason, is_forced=force)
        print_json(promoted) if as_json else click.echo(f"champion of {model} is v{promoted.version}")


@command("rollback", example="tidewheel rollback flight-delay --reason 'complaints from JFK'")
@click.argument("model")
@click.option("--reason", default="on request", show_default=True, help="Why, for the record.")
def rollback_command(model: str, reason: str, as_json: bool) -> None:
    """Make the champion before this one the champion again, and bring it to the endpoint."""
    with opened() as workspace:
        version = workspace.roll_back(model, reason=reason)
        print_json(version) if as_json else click.echo(f"champion of {model} is v{version.version} again")
