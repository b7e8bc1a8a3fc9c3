"""`tidewheel experiments --sort metric` in a workspace with thirty thousand runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks.measurement import TIDEWHEEL, cost_of, interleaved, project
from benchmarks.result import Result

RUNS = 30_000
METRICS = 5
REPEATS = 5

# Copies of one recorded run with numbers of their own; in a process of its own, as the shell's commands are.
MULTIPLY = f"""
import json, random, sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
columns = [row[1] for row in connection.execute("PRAGMA table_info(run)")]
(template,) = connection.execute("SELECT * FROM run WHERE pipeline = 'noop' LIMIT 1").fetchall()
source = random.Random(1)

def copies():
    for number in range({RUNS}):
        row = dict(zip(columns, template))
        record = json.loads(row["record"])
        record["id"] = row["id"] = f"0{{number:015d}}"
        record["parameters"] = {{"rate": number / {RUNS}, "rounds": number % 100}}
        row["record"] = json.dumps(record)
        yield tuple(row.values())

ids = [f"0{{number:015d}}" for number in range({RUNS})]
numbers = [(one, f"metric_{{place}}", place, source.random()) for one in ids for place in range({METRICS})]
parameters = [(one, "rounds", str(at % 100), float(at % 100)) for at, one in enumerate(ids)]
parameters += [(one, "rate", repr(at / {RUNS}), at / {RUNS}) for at, one in enumerate(ids)]
with connection:
    connection.executemany(f"INSERT INTO run VALUES ({{', '.join('?' * len(columns))}})", copies())
    connection.executemany("INSERT INTO experiment (run_id, pipeline) VALUES (?, 'noop')", [(one,) for one in ids])
    connection.executemany("INSERT INTO run_metric (run_id, name, place, value) VALUES (?, ?, ?, ?)", numbers)
    connection.executemany("INSERT INTO run_parameter (run_id, name, value, number) VALUES (?, ?, ?, ?)", parameters)
"""


def run() -> list[Result]:
    """The command's wall time: sorted, and sorted among those that meet two conditions that few do."""
    sort = [TIDEWHEEL, "experiments", "--sort", "metric_3"]
    hard = [*sort, "--filter", "rounds=77", "--filter", "metric_0>0.99"]
    with project("light") as folder:
        cost_of([TIDEWHEEL, "run", "noop"], folder)
        (database,) = Path(folder).glob(".tidewheel/*.db")
        subprocess.run([sys.executable, "-c", MULTIPLY, str(database)], check=True)
        by_metric, filtered = interleaved(
            [lambda turn: cost_of(sort, folder), lambda turn: cost_of(hard, folder)], REPEATS
        )
    return [
        Result(f"tidewheel experiments --sort among {RUNS:,}, wall", "s", by_metric.wall_s, 1.0),
        Result("the same with two filters that few meet", "s", filtered.wall_s, 1.0),
    ]
