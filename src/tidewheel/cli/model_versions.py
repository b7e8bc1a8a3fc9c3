"""Commands that look at versions of models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from tidewheel.cli.command import command, opened
from tidewheel.cli.output import print_facts, print_json, print_table
from tidewheel.core.errors import ParameterError
from tidewheel.workspace.cell import format_cell

if TYPE_CHECKING:
    from tidewheel.core.records import ModelVersion
    from tidewheel.workspace.model_comparison import VersionDetails

STATES = ("candidate", "approved", "rejected", "retired", "deleted")


@command("list", example="tidewheel models list flight-delay --metric 'roc_auc > 0.7' --snapshot flights")
@click.argument("model", required=False)
@click.option("--state", "states", multiple=True, type=click.Choice(STATES), help="Only in this state; repeatable.")
@click.option("--metric", "metrics", multiple=True, help="Only where it holds, such as 'roc_auc > 0.7'; repeatable.")
@click.option(
    "--parameter",
    "parameters",
    multiple=True,
    help="Only with it, as NAME=VALUE or STEP.NAME=VALUE; repeatable.",
)
@click.option("--snapshot", default="", help="Only resting on it: TABLE, TABLE@ID, or the start of a content digest.")
@click.option("--commit", default="", help="Only from this commit, or one that begins so.")
@click.option("--sort", default="", help="By this metric, the largest first.")
@click.option("--ascending", is_flag=True, help="With --sort: the smallest first.")
def list_command(
    model: str | None,
    states: tuple[Any, ...],
    metrics: tuple[str, ...],
    parameters: tuple[str, ...],
    snapshot: str,
    commit: str,
    sort: str,
    ascending: bool,
    as_json: bool,
) -> None:
    """List the models that have versions, or the versions of MODEL; all of them, or those that meet all conditions."""
    from tidewheel.model_registry.search import MetricCondition

    with opened() as workspace:
        versions = workspace.models.find(
            model,
            states=states,
            metrics=metrics,
            parameters=dict(_pair(text) for text in parameters),
            snapshot=snapshot,
            commit=commit,
            sort=sort,
            ascending=ascending,
        )
        found = workspace.models.aliases()
        aliases = {name: found.get(name, {}) for name in dict.fromkeys(one.model for one in versions)}
        if as_json:
            champions = {name: places.get("champion") for name, places in aliases.items()}
            print_json({"champions": champions, "aliases": aliases, "versions": versions})
            return
        shown = [*([sort] if sort else []), *(MetricCondition.parse(text).name for text in metrics)]
        rows = [_row(one, aliases[one.model], shown) for one in versions]
        columns = ("model", "version", "alias", "state", "registered", "run", "metric", "reason")
        is_asked = any((states, metrics, parameters, snapshot, commit))
        empty = "no version is like that" if is_asked else "no version yet: run the pipeline of a declared Model"
        print_table(columns, rows, empty=empty)
        for finding in workspace.check_models(model):
            click.secho(str(finding), fg="red")


def _row(version: ModelVersion, aliases: Mapping[str, int], metrics: list[str]) -> tuple[Any, ...]:
    return (
        version.model,
        f"v{version.version}",
        ", ".join(alias for alias, number in aliases.items() if number == version.version),
        version.state,
        version.at,
        version.run_id,
        _metrics(version.metrics, metrics),
        version.reason[:90],
    )


@command("show", example="tidewheel models show flight-delay 2")
@click.argument("model")
@click.argument("version", type=int, required=False)
def show_command(model: str, version: int | None, as_json: bool) -> None:
    """Show all that is recorded about VERSION of MODEL, by default the champion, before the first one the newest."""
    with opened() as workspace:
        details = workspace.models.show(model, version)
        if as_json:
            print_json(details)
            return
        print_facts(_facts(details))
        if details.version.parameters:
            click.echo("\n" + "\n".join(_parameters(details.version.parameters)))
        states = [(one.at, one.from_state, one.to_state, one.reason[:100], one.event_id) for one in details.states]
        click.echo()
        print_table(("at", "from", "to", "reason", "event"), states, empty="no history")
        if details.moves:
            click.echo()
            moves = [
                (one.at, one.alias, _number(one.from_version), _number(one.to_version), one.reason[:100])
                for one in details.moves
            ]
            print_table(("at", "alias", "from", "to", "reason"), moves, empty="")


@command("compare", example="tidewheel models compare flight-delay 1 2")
@click.argument("model")
@click.argument("versions", type=int, nargs=-1, required=True)
@click.option("--all", "shows_all", is_flag=True, help="Also what is the same.")
def compare_command(model: str, versions: tuple[int, ...], shows_all: bool, as_json: bool) -> None:
    """Show VERSIONS of MODEL side by side: what differs in state, metrics, parameters, data, code and environment."""
    with opened() as workspace:
        comparison = workspace.models.compare(model, versions)
        if as_json:
            print_json(comparison.to_dict())
            return
        shown = comparison.rows if shows_all else comparison.differences
        rows = [(one.topic, one.name, *one.values) for one in shown]
        columns = ("about", "what", *(f"v{number}" for number in comparison.versions))
        print_table(columns, [[_short(cell) for cell in row] for row in rows], empty="they differ in nothing")


def _facts(details: VersionDetails) -> dict[str, Any]:
    version = details.version
    dirty = " with uncommitted changes" if details.is_dirty else ""
    return {
        "model": version.model,
        "version": f"v{version.version}",
        "state": version.state,
        "reason": version.reason,
        "aliases": ", ".join(details.aliases),
        "answers at": ", ".join(details.endpoints),
        "registered": version.at,
        "run": version.run_id,
        "commit": f"{details.commit[:12]}{dirty}" if details.commit else "",
        "package": f"{version.package.digest}, {version.package.size_bytes:,} bytes",
        "form": version.package.summary,
        "verdict": version.verdict_digest,
        "champion then": _number(version.previous_version),
        "snapshots": ", ".join(f"{one.table}@{one.snapshot_id} ({one.row_count:,} rows)" for one in version.snapshots),
        "metrics": version.metrics,
    }


def _parameters(parameters: Mapping[str, Any]) -> list[str]:
    """A line for each below the step that it belongs to; the pipeline's own come first.

    Example:
        >>> print(*_parameters({"train.rounds": 9, "seed": 1, "train.rate": 0.1}), sep="\\n")
        parameters
          seed      1
          train
            rate    0.1
            rounds  9
    """
    lines, last = ["parameters"], ""
    width = max((len(name.rpartition(".")[2]) for name in parameters), default=0)
    for step, _, name, value in sorted((*full.rpartition("."), value) for full, value in parameters.items()):
        if step != last:
            lines.append(f"  {step}")
        last, indent = step, 4 if step else 2
        lines.append(f"{'':<{indent}}{name:<{width + 4 - indent}}  {_short(value, 100)}")
    return lines


def _pair(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign or not name.strip():
        raise ParameterError(f"{text!r} is no parameter with a value", next_step="write NAME=VALUE")
    return name.strip(), value.strip()


def _metrics(metrics: Mapping[str, float | None], names: list[str]) -> str:
    # An evaluation gives its main metric alone an interval; how many trials a search had is no metric of the model.
    first = min(
        metrics,
        key=lambda one: (one.startswith("trials_"), f"{one}_low" not in metrics, one != "roc_auc", one),
        default="",
    )
    wanted = [name for name in dict.fromkeys(names) if name in metrics] or ([first] if first else [])
    return ", ".join(f"{name} {format_cell(metrics[name])}" for name in wanted)


def _number(version: int | None) -> str:
    return "" if version is None else f"v{version}"


def _short(value: Any, length: int = 60) -> str:
    text = format_cell(value)
    return text if len(text) <= length else f"{text[: length - 3]}..."
