"""Commands about models: the group `models`, and which version is in production."""

from __future__ import annotations

import importlib
from typing import Any

import click

from tidewheel.cli.command import command, opened
from tidewheel.cli.output import print_json

COMMANDS = {
    "list": "model_versions",
    "show": "model_versions",
    "compare": "model_versions",
    "state": "model_changes",
    "alias": "model_changes",
    "card": "model_card",
    "sign": "package_proof",
    "verify": "package_proof",
    "delete": "model_changes",
    "untag": "model_changes",
}
"""The modules of the commands of `tidewheel models`, each imported when it is called."""


class ModelsGroup(click.Group):
    """`models`, `models NAME` and its commands; a model named like a command is listed by `models list NAME`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        words = [arg for arg in args if not arg.startswith("-")]
        if not {"--help", "-h"}.intersection(args) and (not words or words[0] not in COMMANDS):
            args = ["list", *args]
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        found: click.Command = getattr(
            importlib.import_module(f"tidewheel.cli.{COMMANDS[cmd_name]}"), f"{cmd_name}_command"
        )
        return found


models_command: Any = ModelsGroup(
    "models",
    help="List models and their versions (`tidewheel models NAME`), look at them, and decide about them.",
    epilog="Example:  tidewheel models flight-delay",
)


@command("promote", example="tidewheel promote flight-delay 2")
@click.argument("model")
@click.argument("version", type=int, required=False)
@click.option("--reason", default="on request", show_default=True, help="Why, for the record.")
@click.option("--force", is_flag=True, help="Also when its verdict compared it with another champion.")
def promote_command(model: str, version: int | None, reason: str, force: bool, as_json: bool) -> None:
    """Make VERSION of MODEL the champion; without VERSION the newest approved one."""
    with opened() as workspace:
        before = workspace.champion(model)
        promoted = workspace.promote(model, version, reason=reason, is_forced=force)
        is_new = before is None or before.version != promoted.version
        told = "" if is_new else " already: no promotion is recorded"
        print_json(promoted) if as_json else click.echo(f"champion of {model} is v{promoted.version}{told}")


@command("rollback", example="tidewheel rollback flight-delay --reason 'complaints from JFK'")
@click.argument("model")
@click.option("--reason", default="on request", show_default=True, help="Why, for the record.")
def rollback_command(model: str, reason: str, as_json: bool) -> None:
    """Make the champion before this one the champion again, and bring it to the endpoint."""
    with opened() as workspace:
        version = workspace.roll_back(model, reason=reason)
        print_json(version) if as_json else click.echo(f"champion of {model} is v{version.version} again")
