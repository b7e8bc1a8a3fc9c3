"""Commands about features."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from tidewheel.cli import exit_code
from tidewheel.cli.command import command, opened
from tidewheel.cli.output import print_facts, print_json, print_table
from tidewheel.core.counted import counted

if TYPE_CHECKING:
    from tidewheel.feature_store.replay_report import FeatureReplay
    from tidewheel.pipeline.feature_view import OnDemandDefinition, ViewDefinition
    from tidewheel.workspace.features import Features


@click.group("features", context_settings={"help_option_names": ["-h", "--help"]})
def features_command() -> None:
    """List, search and show feature views, bring their newest values online, prove what was served."""


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


@command("replay", example="tidewheel features replay flight-delay --since 2026-03-01")
@click.argument("model")
@click.option("--since", help="Only requests from this time on (ISO 8601).")
@click.option("--until", help="Only requests before this time.")
def replay_command(model: str, since: str | None, until: str | None, as_json: bool) -> None:
    """Prove that MODEL was given the features that training would see: compute them again from its prediction log.

    Each logged request is joined offline, as known at its time, and must give the same bits. Ends with 0 when all that
    could be computed again is equal, with 1 when a feature differs: it is named, with the fault that explains it.
    """
    from tidewheel.core.clock import parse_time

    with opened() as workspace:
        since_time, until_time = (parse_time(one) if one else None for one in (since, until))
        found = workspace.features.replay(model, since=since_time, until=until_time)
        if as_json:
            print_json({**found.to_dict(), "share": found.share})
        else:
            _print_replay(found)
    click.get_current_context().exit(exit_code.FAILED if found.different else exit_code.SUCCEEDED)


for _one in (list_command, show_command, search_command, materialize_command, replay_command):
    features_command.add_command(_one)


def _print_replay(found: FeatureReplay) -> None:
    rows = [(f"v{one.version}", one.view, one.feature, one.compared, one.different) for one in found.features]
    columns = ("version", "view", "feature", "compared", "different")
    print_table(columns, rows, empty="no answer in this window used a feature view")
    if not found.row_count:
        return
    told = f"{found.replayed_count:,} of {counted(found.row_count)} replayed ({found.share:.1%})"
    if not found.different:
        equal = "each value is the one that the join gives, bit for bit"
        click.echo(f"{told}: {equal if any(one.compared for one in found.features) else 'nothing could be compared'}")
        return
    click.secho(f"{told}: other values in {counted(len(found.different), 'feature')}", fg="red")
    for one in found.different:
        first = one.examples[0]
        click.echo(f"  {one.view}:{one.feature} of v{one.version}: {one.explanation or 'no usual fault explains it'}")
        click.echo(
            f"    {first.prediction_id} at {first.at.isoformat()}: {first.served!r} instead of {first.offline!r}"
        )


def _found(address: str, views: dict[str, Any]) -> tuple[str, ...]:
    view, _, name = address.partition(":")
    return address, views[view].features[name], views[view].owner, views[view].description[:60]


def _ttl(view: ViewDefinition | OnDemandDefinition) -> str:
    ttl_us = getattr(view, "ttl_us", 0)
    if ttl_us == 0:
        return ""
    return "for ever" if ttl_us is None else str(timedelta(microseconds=ttl_us)).removesuffix(", 0:00:00")
