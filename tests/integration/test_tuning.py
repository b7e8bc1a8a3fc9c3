"""Tuning as a step of a pipeline: `run --tune`, a search that was killed, and its scratch folder."""

from __future__ import annotations

import os
import re
import signal

import pytest

from processes import wait_until
from small_project import SmallProject
from tidewheel.core.errors import ParametersError

pytestmark = pytest.mark.timeout(300)  # several commands, each with processes of its own

SEARCHES = """
import importlib
import os
import time
from pathlib import Path

import numpy as np
import pandas as pd

from tidewheel.pipeline import pipeline, step
from tidewheel.steps.model_tuning import Tuning, tune

SPACE = {"line": {"slope": {"low": -4.0, "high": 4.0}}, "flat": {}}
MARKS = Path(os.environ.get("MARKS", "."))


class Line:
    def __init__(self, slope):
        self.slope = slope


def fit(trial, train, validation):
    if validation is not None:
        (MARKS / f"{trial.number}-{os.getpid()}").touch()
    while trial.number == 5 and not (MARKS / "gate").exists():
        time.sleep(0.01)
    bonus = importlib.import_module("bon" + "us")
    return Line(trial.parameters.get("slope", 0.0) + bonus.BONUS)


def score(model, rows):
    return float(np.abs(model.slope * rows["x"] - rows["label"]).mean())


@step
def rows(*, count: int = 40) -> pd.DataFrame:
    x = np.linspace(-1.0, 1.0, count)
    return pd.DataFrame({"x": x, "label": 2.0 * x})


@step(cpu=2)
def search(data: pd.DataFrame, *, trials: int = 8) -> Tuning:
    found = tune(fit, data[:30], data[30:], space=SPACE, metric="mae", score=score, trials=trials)
    return found._replace(model=found.model.slope)


@step
def plain(data: pd.DataFrame) -> float:
    return 1.0


@pipeline
def training(*, trials: int = 0):
    data = rows()
    if not trials:
        return {"model": plain(data)}
    found = search(data, trials=trials)
    return {"model": found.model, "trials": found.trials}


@pipeline
def counting(*, start: int = 1):
    return {"rows": rows()}
"""


@pytest.fixture
def project(tmp_path, monkeypatch) -> SmallProject:
    found = SmallProject(tmp_path / "project", SEARCHES)
    (found.folder / "bonus.py").write_text("BONUS = 0.0\n")
    marks = tmp_path / "marks"
    marks.mkdir()
    monkeypatch.setenv("MARKS", str(marks))
    found.marks = marks
    return found


def test_a_search_that_was_killed_with_its_run_goes_on_in_the_next(project):
    started = project.start("run", "training", "--tune", "8")
    wait_until(lambda: any(project.workspace_folder.glob("scratch/*/tuning-1/trial-00007.json")))
    os.killpg(started.pid, signal.SIGKILL)
    started.communicate()
    project.expect_no_process()
    assert len(list(project.marks.glob("*-*"))) == 8
    (project.marks / "gate").touch()
    said = project.tidewheel("resume", "latest")
    assert "succeeded" in said
    numbers = sorted(int(path.name.split("-")[0]) for path in project.marks.glob("*-*"))
    assert numbers == [0, 1, 2, 3, 4, 5, 5, 6, 7]
    assert project.tidewheel("logs", "latest", "search").count("(from before)") == 7
    assert list(project.workspace_folder.glob("scratch/*")) == []
    with project.open() as workspace:
        run = workspace.run("latest")
        table = run["search"].outputs["trials"].load().to_pandas()
        assert table["number"].tolist() == list(range(8))
        assert run["search"].metrics["tuned_mae"] == table["value"].min()
        assert run.record.parameters == {"trials": 8}


@pytest.mark.slow
def test_a_module_that_only_trials_load_keeps_the_step_out_of_the_cache_until_the_key_knows_it(project):
    (project.marks / "gate").touch()
    project.tidewheel("run", "training", "--tune", "2")
    project.tidewheel("run", "training", "--tune", "2")
    assert project.statuses()["search"] == "succeeded"  # the first did not know of bonus.py
    project.tidewheel("run", "training", "--tune", "2")
    assert project.statuses()["search"] == "cached"
    (project.folder / "bonus.py").write_text("BONUS = 1.0\n")
    project.tidewheel("run", "training", "--tune", "2")
    assert project.statuses()["search"] == "succeeded"
    assert "bonus" in project.tidewheel("why-rerun", "latest", "search")


def test_tune_gives_the_parameter_and_is_refused_where_there_is_none(project):
    (project.marks / "gate").touch()
    said = project.tidewheel("run", "counting", "--tune", "5", code=2)
    assert "declares no tuning" in said
    assert "`trials: int`" in said
    assert "'training'" in project.tidewheel("run", "trainin", "--tune", "5", code=3)
    assert "say two things" in project.tidewheel("run", "training", "--tune", "5", "--trials", "4", code=2)
    assert re.search(r"0 is not in the range", project.tidewheel("run", "training", "--tune", "0", code=2))
    with project.open() as workspace, pytest.raises(ParametersError, match="no int"):
        workspace.submit("training", trials="many")
