"""One project with Git that has lived through two months by the command line, for all tests that look at it."""

from __future__ import annotations

import csv
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import toy_project
from tidewheel.cli.app import app
from tidewheel.core.records import Artifact, ModelState
from tidewheel.workspace.champions import registry
from toy_project import ToyWorkspace, start_of

SETTINGS = '\n[workspace]\nclock = "virtual"\n\n[mlflow]\nis_enabled = false\n'


class Life:
    """The project and its command line.

    Attributes:
        folder: the project's.
        said: what the commands said by which it came so far, by their names.
        retraining_id: the run that the tick made.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.said: dict[str, Any] = {}

    def invoke(self, *arguments: str, text: str | None = None) -> Result:
        """Runs a command in this process."""
        return CliRunner().invoke(app, ["-C", str(self.folder), *arguments], prog_name="tidewheel", input=text)

    def tell(self, *arguments: str, code: int = 0, text: str | None = None) -> str:
        """What a command prints, after its exit code was checked."""
        result = self.invoke(*arguments, text=text)
        assert result.exit_code == code, (arguments, result.output, result.exception)
        return result.output

    def json(self, *arguments: str, code: int = 0, text: str | None = None) -> Any:
        """What a command prints for programs."""
        result = self.invoke(*arguments, "--json", text=text)
        assert result.exit_code == code, (arguments, result.output, result.exception)
        return json.loads(result.stdout)

    def begin(self) -> None:
        """To the first of February: a project, rows of January, a first champion that answers."""
        (self.folder / "toy.py").write_text(
            toy_project.CODE.replace('Model(\n    "toy",', 'Model(\n    "toy",\n    endpoint="live",')
        )
        self.said["init"] = self.tell("init", "--name", "toy", "--module", "toy")
        path = self.folder / "tidewheel.toml"
        path.write_text(path.read_text() + SETTINGS)
        (self.folder / ".gitignore").write_text(".tidewheel/\ndata/\n__pycache__/\n")
        for arguments in (["init", "-q"], ["add", "."], ["commit", "-qm", "A toy"]):
            identity = ["-c", "user.name=toy", "-c", "user.email=toy@localhost"]
            subprocess.run(["git", *identity, *arguments], cwd=self.folder, check=True)
        self.toy = ToyWorkspace(self.folder)
        self.toy.stores.clock_row.set(start_of(2))
        self.toy.ingest(1)
        self.said["run"] = self.json("run", "training")
        self.said["promote"] = self.tell("promote", "toy", "--reason", "the first")
        self.said["deploy"] = self.tell("deploy", "toy", "--to", "dev")

    def go_on(self) -> None:
        """To the first of March: questions, answers, and a tick that retrains and promotes."""
        rows = json.dumps([{"x": number / 10} for number in range(-20, 20)])
        self.said["predict"] = self.json("predict", "toy", "-", text=rows)
        self.toy.live_through(2)
        path = self.folder / "data" / "answers.csv"
        with path.open("w", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(["prediction_id", "label"])
            writer.writerows([one, number % 2] for number, one in enumerate(self.said["predict"]["prediction_id"]))
        self.said["label"] = self.tell("label", str(path))
        self.said["tick"] = self.json("tick", "--at", start_of(3).isoformat())
        self.retraining_id: str = self.json("runs")[0]["id"]

    def register(self, model: str, package: Artifact, *, state: ModelState, reason: str) -> None:
        """Another model's next version, on the facts of the first run."""
        stores = self.toy.stores
        first = stores.models.get("toy", 1)
        registry(stores).register(
            model,
            package,
            run=stores.runs.get(first.run_id),
            metrics={},
            parameters={},
            snapshots=first.snapshots,
            verdict_digest="",
            state=state,
            reason=reason,
            at=first.at,
        )

    @property
    def run_id(self) -> str:
        """The first run."""
        return str(self.said["run"]["run"]["id"])


@pytest.fixture(scope="session")
def life(tmp_path_factory):
    life = Life(tmp_path_factory.mktemp("life"))
    life.begin()
    life.go_on()
    yield life
    life.toy.close()
