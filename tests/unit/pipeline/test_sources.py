from __future__ import annotations

from datetime import UTC, datetime

import pytest

from example_steps import anything, read_table, training
from tidewheel.core.errors import DefinitionError
from tidewheel.pipeline import champion, inside_step, is_inside_step, pipeline, reference, set_resolver, sql, table

CALLS = {
    "table": lambda: table("flights"),
    "sql": lambda: sql("select 1"),
    "champion": lambda: champion("delay"),
    "reference": lambda: reference("flights", model="delay"),
}


class Workspace:
    """Answers with what it was asked."""

    def table(self, name, *, as_of=None):
        return ("table", name, as_of)

    def sql(self, query, **parameters):
        return ("sql", query, parameters)

    def champion(self, model):
        return ("champion", model)

    def reference(self, table, *, model=""):
        return ("reference", table, model)


@pytest.fixture
def workspace():
    set_resolver(Workspace())
    yield
    set_resolver(None)


@pytest.fixture
def no_workspace():
    """Whatever another test of this process has left open."""
    set_resolver(None)


@pytest.mark.usefixtures("no_workspace")
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_without_a_workspace_the_way_out_is_told(call):
    with pytest.raises(DefinitionError, match="no workspace is open") as caught:
        call()
    assert "tidewheel.open" in caught.value.next_step


def test_in_a_notebook_the_open_workspace_answers_at_once(workspace):
    assert table("flights", as_of=datetime(2013, 4, 1, tzinfo=UTC)) == ("table", "flights", "2013-04-01T00:00:00+00:00")
    assert sql("select $a", a=1) == ("sql", "select $a", {"a": 1})
    assert champion("delay") == ("champion", "delay")
    assert reference("flights", model="delay") == ("reference", "flights", "delay")


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_the_body_of_a_step_reads_nothing_by_itself(workspace, call):
    with inside_step(), pytest.raises(DefinitionError, match="in the body of a step") as caught:
        call()
    assert "in the pipeline" in caught.value.next_step
    assert not is_inside_step()


def test_a_step_called_by_hand_reads_from_the_open_workspace(workspace):
    assert read_table() == ("table", "flights", None)


def test_inside_a_step_other_steps_are_plain_functions():
    with inside_step():
        assert anything(3) == 3


def test_in_a_pipeline_nothing_is_read(workspace):
    assert {node.kind for node in training().nodes} == {"table", "sql", "champion", "step"}


def test_a_moment_is_kept_as_text():
    @pipeline
    def flow():
        return anything(table("flights", as_of=datetime(2013, 4, 1, tzinfo=UTC)))

    assert flow().nodes[0].arguments["as_of"] == "2013-04-01T00:00:00+00:00"


def test_a_reference_is_a_node_of_its_own():
    @pipeline
    def flow():
        return anything(reference("flights", model="delay"))

    node = flow().nodes[0]
    assert (node.id, node.kind, node.arguments) == (
        "reference-flights",
        "reference",
        {"name": "flights", "model": "delay"},
    )
    assert "reference-flights" in flow().to_mermaid()
