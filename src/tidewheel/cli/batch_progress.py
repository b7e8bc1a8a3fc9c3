"""How far a batch prediction is: a line that is written over on a terminal, a line for each tenth elsewhere."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, TextIO

import click

if TYPE_CHECKING:
    from tidewheel.workspace.batch_prediction import BatchProgress


class BatchProgressPrinter:
    """A listener that prints rows, share and speed.

    Args:
        stream: standard error by default.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._is_live = self._stream.isatty()
        self._start = time.monotonic()
        self._told = -1

    def __call__(self, progress: BatchProgress) -> None:
        if self._told < 0 and progress.resumed:
            click.echo(f"{progress.resumed:,} rows were kept by an earlier process: going on", file=self._stream)
        tenth = 10 * progress.rows // progress.total
        is_over = progress.rows == progress.total
        if not self._is_live and tenth == self._told:
            return
        self._told = tenth
        seconds = time.monotonic() - self._start
        speed = (progress.rows - progress.resumed) / seconds if seconds > 0 else 0.0
        told = f"{progress.rows:,} of {progress.total:,} rows"
        if progress.rows > progress.resumed:
            told += f", {speed:,.0f} rows/s"
        clear = "\r\x1b[2K" if self._is_live else ""
        click.echo(f"{clear}{told}", file=self._stream, nl=is_over or not self._is_live)
