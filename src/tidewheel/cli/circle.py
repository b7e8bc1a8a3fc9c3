"""Commands about the circle: what was seen, what it started, and why."""

from __future__ import annotations

import click

from tidewheel.cli.command import command, opened
from tidewheel.cli.output import print_facts, print_json, print_table
from tidewheel.cli.progress import ProgressPrinter
from tidewheel.core.clock import parse_time
from tidewheel.core.records import Event, Signal
from tidewheel.orchestrator.progress import silent
from tidewheel.workspace.why import WhyChain


@command("signals", example="tidewheel signals --model flight-delay")
@click.argument("signal", required=False)
@click.option("--model", help="Only signals about this model.")
@click.option("--limit", default=20, show_default=True, help="At most so many, the newest first.")
def signals_command(signal: str | None, model: str | None, limit: int, as_json: bool) -> None:
    """List what monitors found, the newest first; or show all of one SIGNAL."""
    with opened() as workspace:
        if signal:
            _print_record(workspace.signal(signal), as_json=as_json)
            return
        signals = workspace.signals(model=model, limit=limit)
        if as_json:
            print_json(signals)
            return
        rows = [
            (one.id, one.model, f"v{one.version}", one.monitor, one.window_start.date(), one.is_alarm, one.message)
            for one in signals
        ]
        columns = ("signal", "model", "version", "monitor", "window from", "alarm", "message")
        print_table(columns, rows, empty="no signal yet: monitors look when `tidewheel tick` runs")


@command("events", example="tidewheel events")
@click.argument("event", required=False)
@click.option("--subject", help="Only events about this pipeline, model or operation.")
@click.option("--limit", default=20, show_default=True, help="At most so many, the newest first.")
def events_command(event: str | None, subject: str | None, limit: int, as_json: bool) -> None:
    """List why things were started, the newest first; or show all of one EVENT."""
    with opened() as workspace:
        if event:
            _print_record(workspace.event(event), as_json=as_json)
            return
        events = workspace.events(subject=subject, limit=limit)
        if as_json:
            print_json(events)
            return
        rows = [
            (one.id, one.kind, one.subject, one.at, "; ".join(f"{e.kind} {e.ref}" for e in one.evidence)[:100])
            for one in events
        ]
        print_table(("event", "kind", "subject", "at", "evidence"), rows, empty="no event yet")


@command("tick", example="tidewheel tick")
@click.option("--at", help="Move the workspace's clock there first; only when workspace.clock is virtual.")
def tick_command(at: str | None, as_json: bool) -> None:
    """Let the controller look and act once: collect, monitor, trigger, run, promote, reconcile."""
    from tidewheel.loop import tick

    with opened() as workspace:
        listener = silent if as_json else ProgressPrinter()
        report = tick(workspace, at=parse_time(at) if at else None, listener=listener)
        if as_json:
            print_json(report)
            return
        for line in report.lines:
            click.echo(line)


@command("why", example="tidewheel why flight-delay")
@click.argument("name", metavar="MODEL|TABLE")
@click.option("--version", type=int, help="A version instead of the champion.")
def why_command(name: str, version: int | None, as_json: bool) -> None:
    """Tell why MODEL's champion is in production: back to its verdict, run, sources, rows and cause.

    The name of a TABLE, or TABLE@SNAPSHOT, tells where its rows come from: which files or query, or which version of a
    model answered.
    """
    with opened() as workspace:
        chain = workspace.why(name, version)
        if as_json:
            print_json(chain)
        else:
            _print_chain(chain)
        if not chain.is_whole:
            click.secho("the chain is broken: a fact that it rests on is missing", fg="red", err=True)
            click.get_current_context().exit(6)


def _print_chain(chain: WhyChain) -> None:
    click.secho(f"why {chain.table or f'{chain.model} v{chain.version}'}", bold=True)
    nouns = max(len(link.noun) for link in chain.links)
    refs = {
        depth: max(len(_short(link.ref)) for link in chain.links if link.depth == depth)
        for depth in {link.depth for link in chain.links}
    }
    for link in chain.links:
        indent = "    " * link.depth
        line = f"{indent}{link.noun:<{nouns}}  {_short(link.ref):<{refs[link.depth]}}  {link.text}".rstrip()
        click.secho(line, fg=None if link.is_found else "red")
    click.echo("\nlook closer:")
    for text in dict.fromkeys(link.command for link in chain.links if link.command):
        click.echo(f"  {text}")


def _short(ref: str) -> str:
    return ref[:16] if len(ref) == 64 else ref


def _print_record(record: Event | Signal, *, as_json: bool) -> None:
    if as_json:
        print_json(record)
        return
    facts = record.to_dict()
    evidence = facts.pop("evidence")
    print_facts({name.replace("_", " "): value for name, value in facts.items()})
    click.echo()
    rows = [(one["kind"].replace("_", " "), one["ref"], one["note"]) for one in evidence]
    print_table(("evidence", "which", "what it says"), rows, empty="it rests on no evidence")
