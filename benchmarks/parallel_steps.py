"""Thirty-two steps that sleep a quarter of a second, eight at a time: the floor is one second."""

from __future__ import annotations

from benchmarks.measurement import TIDEWHEEL, cost_of, interleaved, project
from benchmarks.result import Result

REPEATS = 3


def run() -> list[Result]:
    """The whole command's wall time."""
    with project("light") as folder:
        cost_of([TIDEWHEEL, "run", "noop"], folder)
        (ours,) = interleaved(
            [lambda turn: cost_of([TIDEWHEEL, "run", "naps", f"--start={(turn + 1) * 100}"], folder)], REPEATS
        )
    return [Result("32 steps of 0.25 s, 8 at a time, wall", "s", ours.wall_s, 1.4)]
