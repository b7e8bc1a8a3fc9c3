"""`tidewheel --help`, which imports no command."""

from __future__ import annotations

from pathlib import Path

from benchmarks.measurement import TIDEWHEEL, cost_of, interleaved
from benchmarks.result import Result

REPEATS = 9


def run() -> list[Result]:
    """The command's CPU time."""
    (ours,) = interleaved([lambda turn: cost_of([TIDEWHEEL, "--help"], Path.cwd())], REPEATS)
    return [Result("tidewheel --help, CPU", "s", ours.cpu_s, 0.25)]
