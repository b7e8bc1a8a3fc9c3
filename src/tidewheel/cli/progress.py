"""A run's progress: one line per change, and on a terminal a last line with what runs now."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TextIO

import click

from tidewheel.cli.output import COLOURS
from tidewheel.orchestrator import Progress

SHOWN = {"succeeded", "cached", "failed", "stopped", "cancelled", "skipped"}


class ProgressPrinter:
    """A listener that prints; plain lines when `stream` is no terminal."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._is_live = self._stream.isatty()
        self._running: dict[str, None] = {}

    def __call__(self, progress: Progress) -> None:
        execution = progress.execution
        if execution is None:
            self._tell_run(progress)
            return
        if progress.kind == "retry":
            self._line(f"{execution.node}: {progress.message}")
        elif execution.status in SHOWN:
            self._running.pop(execution.node, None)
            duration = f" {execution.duration_s:.1f} s" if execution.status != "cached" and execution.duration_s else ""
            status = click.style(f"{execution.status:<9}", fg=COLOURS.get(execution.status))
            failure = execution.failure.message.splitlines()[0] if execution.failure else ""
            detail = failure or execution.reason
            counts = f"{progress.done}/{progress.total}"
            self._line(f"{counts:>7}  {status} {execution.node}{duration}{': ' + detail if detail else ''}")
        elif execution.status == "running":
            self._running[execution.node] = None
        self._show_running(progress)

    def _tell_run(self, progress: Progress) -> None:
        run = progress.run
        if run.status == "running":
            dirty = " with uncommitted changes" if run.is_dirty else ""
            source = f"commit {run.commit[:10]}{dirty}" if run.commit else "no Git commit (the sources are kept)"
            self._line(f"run {run.id} of {run.pipeline}, {source}, {progress.total} steps")
            return
        seconds = (run.ended_at or datetime.now(UTC)) - run.started_at
        status = click.style(run.status, fg=COLOURS.get(run.status))
        self._line(f"run {run.id} {status} in {seconds.total_seconds():.1f} s{': ' + run.reason if run.reason else ''}")

    def _line(self, text: str) -> None:
        clear = "\r\x1b[2K" if self._is_live else ""
        click.echo(f"{clear}{text}", file=self._stream)

    def _show_running(self, progress: Progress) -> None:
        if self._is_live and self._running:
            names = ", ".join(self._running)
            click.echo(f"\r\x1b[2K{progress.done}/{progress.total} running: {names[:60]}", file=self._stream, nl=False)
            self._stream.flush()
