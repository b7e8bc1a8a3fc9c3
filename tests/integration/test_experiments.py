"""Runs side by side and in order: what differs is told, what does not is not."""

from __future__ import annotations

import re

import pytest

from small_project import SmallProject
from tidewheel.core.errors import NotFoundError, ParameterError

SOURCE = """
from factors import scale
from tidewheel import Metrics
from tidewheel.pipeline import pipeline, step


def gain(number):
    return number * 2.0


def unused(number):
    return number


@step
def start(*, first: int = 1) -> int:
    return first


@step
def measure(number: int, *, rate: float = 0.5, label: str = "<b>&") -> Metrics:
    return Metrics(score=scale(gain(number)) * rate, rows=3.0)


@pipeline
def training(*, first: int = 1, rate: float = 0.5):
    return {"metrics": measure(start(first=first), rate=rate)}
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    found = SmallProject(tmp_path_factory.mktemp("experiments") / "project", SOURCE)
    with (found.folder / "tidewheel.toml").open("a") as stream:
        stream.write("\n[mlflow]\nis_enabled = false\n")
    with found.open() as workspace:
        found.first = workspace.submit("training")
        found.second = workspace.submit("training", rate="0.75", first=2)
        # Two functions changed, of which the steps reach one.
        changed = SOURCE.replace("number * 2.0", "number * 3.0").replace("    return number\n", "    return -number\n")
        (found.folder / "small.py").write_text(changed)
        found.third = workspace.submit("training", rate=0.75, first=2)
    return found


def test_what_differs_is_told_by_topic(project):
    with project.open() as workspace:
        found = workspace.compare(project.first.id, project.second.id)
        parameters = {row.name: row.values for row in found.differences if row.topic == "parameters"}
        assert parameters == {
            "first": (1, 2),
            "rate": (0.5, 0.75),
            "start.first": (1, 2),
            "measure.rate": (0.5, 0.75),
        }
        assert {row.name: row.values for row in found.differences if row.topic == "metrics"} == {"score": (3.0, 9.0)}
        assert {row.topic for row in found.differences} == {"run", "parameters", "metrics"}
        same = {(row.topic, row.name) for row in found.rows if row.is_equal}
        assert {("environment", "python"), ("code", "small:gain"), ("metrics", "rows"), ("run", "pipeline")} <= same


def test_of_code_those_functions_differ_that_the_steps_reach(project):
    with project.open() as workspace:
        found = workspace.compare(project.second.id[:12], "latest")
        assert [row.name for row in found.differences if row.topic == "code"] == ["small:gain"]
        assert workspace.explain_rerun("latest", "measure") == ["code of small:gain changed"]
        assert {row.name: row.values for row in found.differences if row.topic == "metrics"} == {"score": (9.0, 13.5)}


def test_three_runs_make_one_page_that_needs_nothing_else(project, tmp_path):
    page = tmp_path / "compared.html"
    ids = [project.first.id, project.second.id, project.third.id]
    said = project.tidewheel("compare", *ids, "--html", str(page))
    assert re.search(r"code +small:gain", said)
    assert re.search(r"metrics +score +3 +9 +13.5", said)
    assert "other things are the same" in said
    html = page.read_text()
    assert not re.search(r'<script|src=|href="http|url\(', html)
    assert "&lt;b&gt;&amp;" in html
    assert "<b>&" not in html
    assert html.count('class="fill"') == 3
    with project.open() as workspace:
        assert workspace.compare(*ids)._repr_html_() in html


def test_experiments_are_sorted_and_filtered(project):
    with project.open() as workspace:
        found = workspace.experiments("rate>=0.75", sort="score")
        assert [one.run.id for one in found] == [project.third.id, project.second.id]
        assert found.to_pandas()["score"].tolist() == [13.5, 9.0]
        assert found[0].parameters == {"first": 2, "rate": 0.75}  # typed, whether they came as text or not
        assert "13.5" in found._repr_html_()
        assert workspace.experiments()[-1].parameters == {"first": 1, "rate": 0.5}  # defaults too
        assert len(workspace.experiments("first=2", "score<10")) == 1
    said = project.tidewheel("experiments", "--sort", "score", "--ascending", "--limit", "1")
    assert project.first.id in said
    assert said.count("training") == 1


def test_what_cannot_be_looked_for_is_told(project):
    with project.open() as workspace:
        with pytest.raises(NotFoundError, match="'score'"):
            workspace.experiments(sort="scoer")
        with pytest.raises(ParameterError, match="two different"):
            workspace.compare(project.first.id)
        with pytest.raises(ParameterError, match="two different"):
            workspace.compare(project.first.id, project.first.id)
        with pytest.raises(NotFoundError):
            workspace.compare(project.first.id, "zzzz")
    assert "no condition" in project.tidewheel("experiments", "--filter", "score", code=2)


def test_a_resumed_run_has_the_parameters_of_the_first_as_they_were(project):
    with project.open() as workspace:
        (project.folder / "small.py").write_text(SOURCE.replace("return number * 2.0", "raise ValueError(number)"))
        failed = workspace.submit("training", first=7)
        assert failed.status == "failed"
        (project.folder / "small.py").write_text(SOURCE.replace("rate: float = 0.5)", "rate: float = 0.9)"))
        resumed = workspace.resume(failed.id)
        assert (resumed.status, resumed.record.parameters) == ("succeeded", {"first": 7, "rate": 0.5})
