"""Commands by which a person decides about versions."""

from __future__ import annotations

from typing import Any

import click

from tidewheel.cli.command import command, opened
from tidewheel.cli.output import print_json
from tidewheel.core.errors import ParameterError


@command("state", example="tidewheel models state flight-delay 2 retired --reason 'trained on faulty rows'")
@click.argument("model")
@click.argument("version", type=int)
@click.argument("state", type=click.Choice(["candidate", "approved", "rejected", "retired"]))
@click.option("--reason", required=True, help="Why, for the record.")
def state_command(model: str, version: int, state: Any, reason: str, as_json: bool) -> None:
    """Set the STATE of VERSION of MODEL; the gate's verdict stays what it is."""
    with opened() as workspace:
        changed = workspace.models.set_state(model, version, state, reason=reason)
        print_json(changed) if as_json else click.echo(f"{model} v{version} is {changed.state}")


@command("alias", example="tidewheel models alias flight-delay audited-2013 2")
@click.argument("model")
@click.argument("alias")
@click.argument("version", type=int, required=False)
@click.option("--remove", is_flag=True, help="Take the alias away.")
@click.option("--reason", default="on request", show_default=True, help="Why, for the record.")
def alias_command(model: str, alias: str, version: int | None, remove: bool, reason: str, as_json: bool) -> None:
    """Point ALIAS to VERSION of MODEL, which is not deleted as long as it does; `champion` is moved by `promote`."""
    if remove == (version is not None):
        raise ParameterError("a version or --remove is needed", next_step=f"tidewheel models alias {model} {alias} 1")
    with opened() as workspace:
        workspace.models.point(model, alias, version, reason=reason)
        if as_json:
            print_json({"model": model, "alias": alias, "version": version})
        else:
            told = "is removed" if version is None else f"is v{version}"
            click.echo(f"alias {alias} of {model} {told}")


@command("delete", example="tidewheel models delete flight-delay 1 --reason 'a year old'")
@click.argument("model")
@click.argument("version", type=int)
@click.option("--reason", required=True, help="Why, for the record.")
def delete_command(model: str, version: int, reason: str, as_json: bool) -> None:
    """Delete the package of VERSION of MODEL; all that is recorded about it stays, and `why` still tells it.

    The champion, what is deployed and what an alias points to cannot be deleted. A run that makes the same package
    again brings the version back under its number.
    """
    with opened() as workspace:
        deleted = workspace.models.delete(model, version, reason=reason)
        print_json(deleted) if as_json else click.echo(f"{model} v{version} is deleted; its record stays")


@command("untag", example="tidewheel models untag flight-delay 1")
@click.argument("model")
@click.argument("version", type=int)
@click.option("--reason", default="on request", show_default=True, help="Why, for the record.")
def untag_command(model: str, version: int, reason: str, as_json: bool) -> None:
    """Let go of the snapshots that the deleted VERSION of MODEL was made from.

    Its tags hold them for good. Without the tags `tidewheel tables maintain` forgets those that are old and that
    nothing else holds, and the version cannot be made again from them.
    """
    with opened() as workspace:
        snapshots = workspace.models.untag(model, version, reason=reason)
        if as_json:
            print_json({"model": model, "version": version, "snapshots": snapshots})
        else:
            click.echo(f"{model} v{version} holds {', '.join(snapshots)} no more" if snapshots else "it holds nothing")
