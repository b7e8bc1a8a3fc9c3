"""A thousand steps against a hundred: what a step costs may not grow with the plan."""

from __future__ import annotations

from benchmarks.measurement import TIDEWHEEL, cost_of, interleaved, project
from benchmarks.result import Result

REPEATS = 3


def run() -> list[Result]:
    """CPU milliseconds per step beyond a run of ten."""
    with project("light") as folder:

        def noop(steps: int, start: int):  # type: ignore[no-untyped-def]
            return cost_of([TIDEWHEEL, "run", "noop", f"--steps={steps}", f"--start={start}"], folder)

        noop(10, -1_000_000)
        ten, hundred, thousand = interleaved(
            [
                lambda turn: noop(10, turn * 10_000),
                lambda turn: noop(110, turn * 10_000 + 1_000),
                lambda turn: noop(1010, turn * 10_000 + 5_000),
            ],
            REPEATS,
        )
    each_of_hundred = (hundred.cpu_s - ten.cpu_s) * 1e3 / 100
    each_of_thousand = (thousand.cpu_s - ten.cpu_s) * 1e3 / 1000
    return [Result("a step of 1,000, CPU (baseline: of 100)", "ms", each_of_thousand, 1.3, each_of_hundred)]
