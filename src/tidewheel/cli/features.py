"""Commands about features."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from tidewheel.cli.command import command, opened
from tidewheel.cli.output import print_facts, print_json, print_table

if TYPE_CHECKING:
    from tidewheel.pipeline.feature_view import OnDemandDefinition, ViewDefinition
    from tidewheel.workspace.features import Features


@click.group("features", context_settings={"help_option_names": ["-h", "--help"]})
def features_command() -> None:
    """List, search and show feature views, and bring their newest values online."""


@command("list", example="tidewheel features list")
def list_command(as_json: bool) -> None:
    """List the feature views that the project declares, and features that are nearly the same."""
    with opened() as workspace:
        features = workspace.features
        views, users, alike = features.views(), features.users(), features.near_duplicates()
        if as_json:
            listed = [{**view.to_dict(), "used_by": users.get(name, [])} for name, view in views.items()]
            print_json({"views": listed, "near_duplicates": alike})
            return
        rows = [
            (
                name,
                getattr(view, "table", "(on demand)"),
                ", ".join(getattr(view, "keys", ())),
                _ttl(view),
                len(view.features),
                view.owner,
                ", ".join(users.get(name, [])),
                view.description[:60],
            )
            for name, view in views.items()
        ]
        columns = ("view", "table", "keys", "ttl", "features", "owner", "used by", "description")
        print_table(columns, rows, empty="no feature view yet: declare a FeatureView in the project")
        for pair in alike:
            click.secho(f"nearly the same: {pair.first} and {pair.second}: {pair.reason}", fg="yellow")


@command("show", example="tidewheel features show weather")
@click.argument("view")
def show_command(view: str, as_json: bool) -> None:
    """Show VIEW: its features, who uses it, and what of it is online."""
    with opened() as workspace:
        features = workspace.features
        found = features.find(view)
        users = features.users().get(view, [])
        alike = [one for one in features.near_duplicates() if f"{view}:" in (one.first + " " + one.second)]
        online = features.online_views().get(view)
        if as_json:
            told: dict[str, Any] = {**found.to_dict(), "used_by": users, "near_duplicates": alike}
            print_json({**told, "online": online})
            return
        facts = {key: value for key, value in found.to_dict().items() if key not in ("features", "keys", "ttl_us")}
        keys = ", ".join(getattr(found, "keys", ()))
        print_facts({**facts, "keys": keys, "ttl": _ttl(found), "used_by": ", ".join(users)})
        print_facts({"online": "yes" if online else "not yet: `tidewheel features materialize`"})
        click.echo()
        print_table(("feature", "expression"), found.features.items(), empty="no feature")
        for pair in alike:
            click.secho(f"nearly the same: {pair.first} and {pair.second}: {pair.reason}", fg="yellow")


@command("search", example='tidewheel features search "wind airport"')
@click.argument("words", nargs=-1, required=True)
def search_command(words: tuple[str, ...], as_json: bool) -> None:
    """Find features by words in names, keys, owners and descriptions."""
    with opened() as workspace:
        found = workspace.features.search(" ".join(words))
        if as_json:
            print_json(found)
            return
        views = workspace.features.views()
        rows = [_found(address, views) for address in found]
        print_table(("feature", "expression", "owner", "description"), rows, empty="no feature is about that")


@command("materialize", example="tidewheel features materialize weather --since 2026-01-01")
@click.argument("views", nargs=-1)
@click.option("--since", help="Leave out events before this time (ISO 8601); a later call without it adds them.")
@click.option("--model", help="Keep the views of one of this model's versions online too, as it was trained with them.")
@click.option("--version", type=int, help="That version.")
def materialize_command(
    views: tuple[str, ...], since: str | None, model: str | None, version: int | None, as_json: bool
) -> None:
    """Bring the newest values of VIEWS online, of all views without any; only what is new is read.

    A view that was declared anew stays online beside it, as NAME@DIGEST, for the models in production that were
    trained with it.
    """
    from tidewheel.core.clock import parse_time
    from tidewheel.core.errors import ParameterError

    if (model is None) != (version is None):
        raise ParameterError("--model and --version go together", next_step="name both, or none")

    with opened() as workspace:
        features: Features = workspace.features
        results = features.materialize(views, since=parse_time(since) if since else None, model=model, version=version)
        if as_json:
            print_json(results)
            return
        rows = [(one.view, one.rows, one.files, one.files_skipped, one.snapshot_id) for one in results]
        columns = ("view", "rows put", "files read", "files there already", "snapshot")
        print_table(columns, rows, empty="no feature view to materialize")


for _one in (list_command, show_command, search_command, materialize_command):
    features_command.add_command(_one)


def _found(address: str, views: dict[str, Any]) -> tuple[str, ...]:
    view, _, name = address.partition(":")
    return address, views[view].features[name], views[view].owner, views[view].description[:60]


def _ttl(view: ViewDefinition | OnDemandDefinition) -> str:
    ttl_us = getattr(view, "ttl_us", 0)
    if ttl_us == 0:
        return ""
    return "for ever" if ttl_us is None else str(timedelta(microseconds=ttl_us))
