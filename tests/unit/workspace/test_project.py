"""What a project is asked, and that it is imported as seldom as can be."""

from __future__ import annotations

import pytest

from tidewheel.core.config import read_config
from tidewheel.core.errors import ParametersError, TidewheelError
from tidewheel.workspace import project as project_module
from tidewheel.workspace.workspace import Workspace

SOURCE = """
from tidewheel.pipeline import pipeline, step

@step
def one(*, start: int = 1) -> int:
    return start

@pipeline
def easy(*, start: int = 1):
    return one(start=start)

@pipeline
def needs(*, start: int):
    return one(start=start)

@pipeline
def broken():
    raise RuntimeError("not today")
"""


@pytest.fixture
def workspace(tmp_path):
    (tmp_path / "tidewheel.toml").write_text('[project]\nname = "p"\nmodules = ["flows"]\n')
    (tmp_path / "flows.py").write_text(SOURCE)
    with Workspace(read_config(tmp_path)) as workspace:
        yield workspace


@pytest.fixture
def asked(monkeypatch):
    """The questions for which the project was imported."""
    questions, ask = [], project_module._ask

    def note(request, server):
        questions.append((request.pipeline, request.parameters))
        return ask(request, server)

    monkeypatch.setattr(project_module, "_ask", note)
    return questions


def test_who_knows_what_is_declared_knows_the_plans_that_need_no_parameter(workspace, asked):
    assert set(workspace.project.declared().pipelines) == {"easy", "needs", "broken"}
    plan = workspace.plan("easy")
    assert asked == [("", {})]
    answer = workspace.project.plan("easy", {}, workspace.project.capture())
    assert set(answer.closures) == {"flows:one"}
    assert workspace.plan("easy", start=1).digest == plan.digest
    assert asked == [("", {}), ("easy", {"start": 1})]


def test_a_plan_tells_what_is_declared_too(workspace, asked):
    workspace.plan("needs", start=2)
    assert set(workspace.project.declared().pipelines) == {"easy", "needs", "broken"}
    assert asked == [("needs", {"start": 2})]


def test_a_pipeline_that_cannot_be_planned_is_told_to_who_asks_for_it(workspace, asked):
    workspace.project.declared()
    with pytest.raises(ParametersError, match="start"):
        workspace.plan("needs")
    with pytest.raises(TidewheelError, match="not today"):
        workspace.plan("broken")
    assert [name for name, _ in asked] == ["", "needs", "broken"]


def test_other_sources_are_asked_anew(workspace, asked):
    workspace.project.declared()
    path = workspace.config.root / "flows.py"
    path.write_text(SOURCE.replace("easy", "simple"))
    assert workspace.plan("simple").pipeline == "simple"
    assert len(asked) == 1 + 1
