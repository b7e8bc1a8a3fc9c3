"""What a command costs, with all processes that it started and waited for."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PROJECTS = Path(__file__).parent / "projects"
TIDEWHEEL = str(Path(sys.executable).with_name("tidewheel"))


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU and wall time in seconds; `peak_bytes` is the resident memory of the largest of the processes."""

    cpu_s: float
    wall_s: float
    peak_bytes: int


class CommandFailedError(Exception):
    """A measured command did not succeed; the message holds what it printed."""


def cost_of(command: Sequence[str], folder: Path) -> Cost:
    """Runs a command in a folder to its end.

    Raises:
        CommandFailedError: its exit code is not 0.
    """
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    with tempfile.TemporaryFile() as printed:
        start = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=printed, stderr=printed)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            printed.seek(0)
            raise CommandFailedError(f"{' '.join(command)}: exit code {process.returncode}\n{printed.read().decode()}")
    return Cost(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss * 1024)


def median(costs: Sequence[Cost]) -> Cost:
    """The median of each figure."""
    return Cost(
        statistics.median(cost.cpu_s for cost in costs),
        statistics.median(cost.wall_s for cost in costs),
        int(statistics.median(cost.peak_bytes for cost in costs)),
    )


def interleaved(measures: Sequence[Callable[[int], Cost]], repeats: int) -> list[Cost]:
    """The medians of several measures that take turns, so that noise meets all; each gets the turn's number."""
    turns = [[measure(turn) for measure in measures] for turn in range(repeats)]
    return [median(costs) for costs in zip(*turns, strict=True)]


@contextmanager
def project(name: str) -> Iterator[Path]:
    """A fresh copy of a measured project, committed to Git."""
    with tempfile.TemporaryDirectory(prefix="tidewheel-bench-") as place:
        folder = Path(place)
        shutil.copytree(PROJECTS / name, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
        git = ["git", "-c", "user.name=bench", "-c", "user.email=bench@localhost", "-c", "commit.gpgsign=false"]
        for arguments in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "-m", "The measured project"]):
            subprocess.run([*git, *arguments], cwd=folder, check=True)
        yield folder


def quietest(times: Sequence[float]) -> float:
    """The median of the quietest tenth of times in their order: a machine is busy with other things for a while."""
    size = len(times) // 10
    return min(statistics.median(times[start : start + size]) for start in range(0, len(times), size))
