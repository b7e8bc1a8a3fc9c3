"""A 200 MB array through three steps that each add one, every value hashed and kept.

Baseline: a bare script that does the same without workers or records: after each step it saves the array, hashes the
file with BLAKE3 and maps it for the next. Compared are wall time and the resident memory of the largest process; pages
of mapped files count in both. Each turn writes new files, as each run does.
"""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.measurement import TIDEWHEEL, Cost, cost_of, interleaved, project
from benchmarks.result import Result

MEGABYTES = 200
REPEATS = 3

BARE = """
import sys
import blake3
import numpy as np

def kept(name, array):
    np.save(name, array)
    blake3.blake3().update_mmap(name).hexdigest()
    return np.load(name, mmap_mode="r")

start, megabytes = int(sys.argv[1]), int(sys.argv[2])
value = kept(f"{start}-0.npy", np.arange(start, start + megabytes * 125_000, dtype=np.float64))
value = kept(f"{start}-1.npy", value + 1.0)
value = kept(f"{start}-2.npy", value + 1.0)
"""


def run() -> list[Result]:
    """Time and memory."""
    with project("arrays") as folder:
        (folder / "bare.py").write_text(BARE)
        bare, ours = _costs(folder)
    return [
        Result(f"{MEGABYTES} MB array, 3 steps, time", "s", ours.wall_s, 1.5, bare.wall_s),
        Result(f"{MEGABYTES} MB array, 3 steps, memory", "MB", ours.peak_bytes / 1e6, 1.3, bare.peak_bytes / 1e6),
    ]


def _costs(folder: Path) -> list[Cost]:
    cost_of([TIDEWHEEL, "run", "large", "--megabytes=1"], folder)  # makes the workspace
    return interleaved(
        [
            lambda turn: cost_of([sys.executable, "bare.py", str(turn + 1), str(MEGABYTES)], folder),
            lambda turn: cost_of([TIDEWHEEL, "run", "large", f"--start={turn + 1}"], folder),
        ],
        REPEATS,
    )
