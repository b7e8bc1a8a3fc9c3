"""A project of small steps on JSON values, with its command line and workspace, as tests of faults need them."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from processes import processes_in, wait_until
from tidewheel.artifact_store import LocalArtifactStore
from tidewheel.cli.app import app
from tidewheel.core.config import read_config
from tidewheel.core.digest import digest_file
from tidewheel.workspace.views import RunView
from tidewheel.workspace.workspace import Workspace

CONFIG = '[project]\nname = "small"\nmodules = ["small"]\n'
FACTORS = "FACTOR = 3\n\n\ndef scale(number):\n    return number * FACTOR\n"
SMALL = """
import time
from pathlib import Path

from factors import scale
from tidewheel.pipeline import pipeline, step


def pause(seconds):
    time.sleep(seconds)


@step
def make(*, start: int = 1, seconds: float = 0.0) -> list[int]:
    pause(seconds)
    return [start * number for number in range(1000)]


@step
def even(numbers: list[int], *, seconds: float = 0.0) -> list[int]:
    pause(seconds)
    return [number for number in numbers if number % 2 == 0]


@step
def odd(numbers: list[int], *, seconds: float = 0.0) -> list[int]:
    pause(seconds)
    return [number for number in numbers if number % 2]


@step
def scaled(numbers: list[int], *, seconds: float = 0.0) -> list[int]:
    pause(seconds)
    return [scale(number) for number in numbers]


@step
def total(evens: list[int], odds: list[int], *, seconds: float = 0.0) -> dict[str, int]:
    pause(seconds)
    return {"evens": sum(evens), "odds": sum(odds)}


@step
def wait_for(number: int, *, gate: str) -> int:
    Path(gate + ".reached").touch()
    while not Path(gate).exists():
        time.sleep(0.005)
    return int(scale(number))


@step
def one(*, start: int = 1) -> int:
    return start


@step
def add(number: int) -> int:
    return number + 1


@pipeline
def counting(*, start: int = 1, seconds: float = 0.0):
    numbers = make(start=start, seconds=seconds)
    evens = scaled(even(numbers, seconds=seconds), seconds=seconds)
    return {"totals": total(evens, odd(numbers, seconds=seconds), seconds=seconds)}


@pipeline
def gated(*, gate: str, start: int = 1):
    return add(wait_for(one(start=start), gate=gate))
"""


def expected_totals(start: int, factor: int = 3) -> dict[str, int]:
    """What `counting` gives, by plain arithmetic."""
    numbers = [start * number for number in range(1000)]
    return {
        "evens": sum(factor * number for number in numbers if number % 2 == 0),
        "odds": sum(number for number in numbers if number % 2),
    }


def totals_of(run: RunView) -> Any:
    """What a run of `counting` gave."""
    return run["total"].outputs["output"].load()


class SmallProject:
    """The project in a folder.

    Attributes:
        folder: the project's root; the workspace is `.tidewheel` in it.
    """

    def __init__(self, folder: Path, source: str = SMALL) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "tidewheel.toml").write_text(CONFIG)
        (folder / "small.py").write_text(source)
        (folder / "factors.py").write_text(FACTORS)

    @property
    def workspace_folder(self) -> Path:
        return self.folder / ".tidewheel"

    def make_workspace(self) -> None:
        """What the first command does besides, which takes a second in a process that imports what it needs."""
        self.tidewheel("plan")

    def open(self) -> Workspace:
        """The workspace in this process."""
        return Workspace(read_config(self.folder))

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        """A `tidewheel` command that goes on, in a process group of its own as a terminal would give it."""
        return subprocess.Popen(
            [sys.executable, "-m", "tidewheel", *arguments],
            cwd=self.folder,
            env={name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            **options,
        )

    def tidewheel(self, *arguments: str, code: int = 0) -> str:
        """What a command says, after its exit code was checked; in this process, where the libraries are imported."""
        with contextlib.chdir(self.folder):
            result = CliRunner().invoke(app, list(arguments), prog_name="tidewheel")
        assert result.exception is None or isinstance(result.exception, SystemExit), repr(result.exception)
        assert result.exit_code == code, result.output
        return result.output

    def tidewheel_alone(self, *arguments: str, code: int = 0, **options: Any) -> str:
        """As `tidewheel`, in a process of its own."""
        process = self.start(*arguments, **options)
        said = process.communicate(timeout=200)[0]
        assert process.returncode == code, said
        assert "Traceback (most recent call last)" not in said or code == 1, said
        return said

    def show(self, run: str = "latest") -> dict[str, Any]:
        """A run and its executions as JSON."""
        shown: dict[str, Any] = json.loads(self.tidewheel("show", run, "--json"))
        return shown

    def statuses(self, run: str = "latest") -> dict[str, str]:
        """The status of each step."""
        return {one["node"]: one["status"] for one in self.show(run)["executions"]}

    def verify_artifacts(self) -> int:
        """Holds every stored file against its digest; returns their number."""
        store = LocalArtifactStore(self.workspace_folder / "artifacts")
        for digest in store.list_digests():
            path = store.path_of(digest)
            kinds = ("artifact json/1", "artifact bytes/1")
            assert digest in {digest_file(kind, path) for kind in kinds}, f"{path} is not what its name says"
        return len(store.list_digests())

    def expect_no_process(self) -> None:
        """Nothing that was started for this project lives on."""
        wait_until(lambda: not processes_in(self.folder))
