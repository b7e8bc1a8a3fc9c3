"""Commands about the circle: what was seen, what it started, and why."""

from __future__ import annotations

import click

from tidewheel.cli.command import command, opened
from tidewheel.cli.output import print_json, print_table
from tidewheel.cli.progress import ProgressPrinter
from tidewheel.core.clock import parse_time
from tidewheel.orchestrator.progress import silent
from tidewheel.workspace.why import Link


@command("signals", example="tidewheel signals --model flight-delay")
@click.option("--model", help="Only signals about this model.")
@click.option("--limit", default=20, show_default=True, help="At most so many, the newest first.")
def signals_command(model: str | None, limit: int, as_json: bool) -> None:
    """List what monitors found, the newest first."""
    with opened() as workspace:
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
@click.option("--subject", help="Only events about this pipeline, model or operation.")
@click.option("--limit", default=20, show_default=True, help="At most so many, the newest first.")
def events_command(subject: str | None, limit: int, as_json: bool) -> None:
    """List why things were started, the newest first."""
    with opened() as workspace:
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
@click.argument("model")
@click.option("--version", type=int, help="A version instead of the champion.")
def why_command(model: str, version: int | None, as_json: bool) -> None:
    """Tell why MODEL's champion is in production: back to its verdict, run, sources, rows and cause."""
    with opened() as workspace:
        chain = workspace.why(model, version)
        if as_json:
            print_json(chain)
        else:
            click.secho(f"why {chain.model} v{chain.version}", bold=True)
            for link in chain.links:
                _print_link(link)
        if not chain.is_whole:
            click.secho("the chain is broken: a fact that it rests on is missing", fg="red", err=True)
            click.get_current_context().exit(6)


def _print_link(link: Link) -> None:
    ref = link.ref[:16] if len(link.ref) == 64 else link.ref
    line = f"{'    ' * link.depth}{link.noun:<12}{ref:<18} {link.text}".rstrip()
    click.secho(line, fg=None if link.is_found else "red")
