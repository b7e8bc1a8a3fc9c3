"""`tidewheel runs` in a workspace that has seen a hundred thousand runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks.measurement import TIDEWHEEL, cost_of, interleaved, project
from benchmarks.result import Result

RUNS = 100_000
REPEATS = 7

# Copies of one recorded run, each with an id of its own; in a process of its own, as the shell's commands are.
MULTIPLY = f"""
import json, sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
columns = [row[1] for row in connection.execute("PRAGMA table_info(run)")]
(template,) = connection.execute("SELECT * FROM run LIMIT 1").fetchall()

def copies():
    for number in range({RUNS}):
        row = dict(zip(columns, template))
        record = json.loads(row["record"])
        record["id"] = row["id"] = f"0{{number:015d}}"
        row["record"] = json.dumps(record)
        yield tuple(row.values())

with connection:
    connection.executemany(f"INSERT INTO run VALUES ({{', '.join('?' * len(columns))}})", copies())
"""


def run() -> list[Result]:
    """The command's wall time."""
    with project("light") as folder:
        cost_of([TIDEWHEEL, "run", "noop"], folder)
        (database,) = Path(folder).glob(".tidewheel/*.db")
        subprocess.run([sys.executable, "-c", MULTIPLY, str(database)], check=True)
        (ours,) = interleaved([lambda turn: cost_of([TIDEWHEEL, "runs"], folder)], REPEATS)
    return [Result(f"tidewheel runs among {RUNS:,}, wall", "s", ours.wall_s, 0.3)]
