"""Ten steps that do nothing, from the shell, recorded and in isolated workers.

Baseline: a bare script that calls ten functions and writes a SQLite transaction after each. Compared is CPU time of all
processes; a further step is a hundredth of what 110 steps cost more than ten.
"""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.measurement import TIDEWHEEL, Cost, cost_of, interleaved, project
from benchmarks.result import Result

REPEATS = 7

BARE = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA journal_mode=WAL")
connection.execute("PRAGMA synchronous=NORMAL")
connection.execute("CREATE TABLE IF NOT EXISTS steps (name TEXT, value INTEGER)")

def increment(number):
    return number + 1

value = 0
for name in range(10):
    value = increment(value)
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("INSERT INTO steps VALUES (?, ?)", (str(name), value))
    connection.execute("COMMIT")
"""


def run() -> list[Result]:
    """Ten steps, the same again from the cache, and a further step."""
    with project("light") as folder:
        (folder / "bare.py").write_text(BARE)
        bare, ten, cached, many = _costs(folder)
    return [
        Result("10 no-op steps, CPU", "s", ten.cpu_s, 20, bare.cpu_s),
        Result("10 cached steps, CPU", "s", cached.cpu_s, 12, bare.cpu_s),
        Result("a further step, CPU", "ms", (many.cpu_s - ten.cpu_s) * 10, 15),
    ]


def _costs(folder: Path) -> list[Cost]:
    def noop(steps: int, start: int) -> Cost:
        return cost_of([TIDEWHEEL, "run", "noop", f"--steps={steps}", f"--start={start}"], folder)

    noop(10, -1_000_000)  # makes the workspace
    return interleaved(
        [
            lambda turn: cost_of([sys.executable, "bare.py", f"bare-{turn}.db"], folder),
            lambda turn: noop(10, turn * 1_000),
            lambda turn: noop(10, turn * 1_000),
            lambda turn: noop(110, turn * 1_000 + 500),
        ],
        REPEATS,
    )
