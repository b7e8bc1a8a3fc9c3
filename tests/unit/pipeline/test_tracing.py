from __future__ import annotations

import time
from typing import NamedTuple

import pytest

from example_steps import anything, careful, chain, count, double, named, number, outer, split, total, training, wide
from tidewheel.core.errors import DefinitionError
from tidewheel.pipeline import InputSpec, Model, Plan, Ref, champion, pipeline, step, table


def ids(plan):
    return [node.id for node in plan.nodes]


def node_of(plan, node_id):
    return next(node for node in plan.nodes if node.id == node_id)


def test_outside_of_a_pipeline_a_step_is_the_plain_function():
    assert double(4) == 8
    assert double(4, times=3) == 12
    assert double.__name__ == "double"
    with pytest.raises(TypeError):
        double()


def test_calling_a_pipeline_gives_its_plan_and_runs_nothing():
    calls = []

    @step
    def effect() -> int:
        calls.append(1)
        return 1

    @pipeline
    def flow():
        effect()

    with pytest.raises(DefinitionError, match="not defined at the top of a module"):
        flow()
    assert calls == []
    assert isinstance(chain(), Plan)


def test_a_plan_says_which_output_goes_where():
    plan = chain(start=5)
    assert ids(plan) == ["number", "double"]
    assert node_of(plan, "number").parameters == {"value": 5}
    assert node_of(plan, "double").inputs == {"value": InputSpec(node="number", output="output")}
    assert node_of(plan, "double").step == "example_steps:double"
    assert plan.outputs == {"output": ("double", "output")}
    assert plan.parameters == {"start": 5, "times": 2}
    assert plan.dependencies("double") == {"number"}
    assert plan.dependencies("number") == frozenset()


def test_loops_fan_out_and_calls_are_numbered():
    plan = wide(branches=3)
    assert ids(plan) == ["number", "double", "number-2", "double-2", "number-3", "double-3", "total"]
    assert [item.node for item in node_of(plan, "total").inputs["values"].items] == ["double", "double-2", "double-3"]
    assert plan.dependencies("total") == {"double", "double-2", "double-3"}
    assert node_of(plan, "number-3").parameters == {"value": 2}


def test_no_branch_is_an_empty_list():
    assert node_of(wide(branches=0), "total").inputs == {"values": InputSpec(value=[])}


def test_a_tuple_of_fields_gives_an_output_for_each():
    plan = training()
    assert [output.name for output in node_of(plan, "split").outputs] == ["train", "test"]
    assert node_of(plan, "count").inputs["rows"] == InputSpec(node="split", output="train")
    assert plan.outputs["test"] == ("count-2", "output")


def test_dicts_and_nested_lists_of_outputs_keep_their_shape():
    @pipeline
    def flow():
        one = number()
        return anything([{"a": [one, 3]}, one, "x", None])

    spec = flow().nodes[-1].inputs["value"]
    one = InputSpec(node="number", output="output")
    inner = InputSpec(entries={"a": InputSpec(items=(one, InputSpec(value=3)))})
    assert spec.items == (inner, one, InputSpec(value="x"), InputSpec())
    assert set(spec.nodes()) == {"number"}


def test_what_a_pipeline_reads_are_nodes():
    plan = training()
    assert [(node.id, node.kind) for node in plan.nodes if node.kind != "step"] == [
        ("flights", "table"),
        ("sql", "sql"),
        ("champion-delay", "champion"),
    ]
    assert node_of(plan, "flights").arguments == {"name": "flights", "as_of": "2013-04-01"}
    assert node_of(plan, "sql").arguments["parameters"] == {"month": 4}


def test_a_nested_pipeline_is_inlined_under_its_name():
    plan = outer(start=2)
    assert ids(plan) == ["chain.number", "chain.double", "chain.number-2", "chain.double-2", "double", "total"]
    assert node_of(plan, "chain.number-2").parameters == {"value": 5}
    assert node_of(plan, "chain.double-2").parameters == {"times": 3}
    assert plan.pipeline == "outer"


def test_a_nested_pipeline_takes_outputs_and_steps_as_they_are():
    @pipeline
    def inner(*, value: int, each: object, many: list[int]):
        return each(total([value, *many]))

    @pipeline
    def flow():
        return inner(value=number(), each=double, many=[number()])

    assert ids(flow()) == ["number", "number-2", "inner.total", "inner.double"]


@pytest.mark.parametrize("wrong", [{"stat": 1}, {"start": "x"}, {"start": 1.5}])
def test_a_nested_pipeline_s_arguments_are_checked(wrong):
    @pipeline
    def flow():
        return chain(**wrong)

    with pytest.raises(DefinitionError) as caught:
        flow()
    assert next(iter(wrong)) in caught.value.problems[0]


def test_names_that_look_numbered_do_not_collide():
    @pipeline
    def flow():
        return anything([champion("a"), champion("a-2"), champion("a"), table("t-2"), table("t"), table("t")])

    found = ids(flow())
    assert len(set(found)) == len(found) == 7


def test_a_step_s_options_are_in_the_plan():
    @pipeline
    def flow():
        return careful(number())

    options = flow().nodes[-1].options
    assert (options.retries, options.backoff_s, options.timeout_s, options.cpu) == (3, 0.5, 60, 2)
    assert (options.is_cached, options.files, options.variables, options.seed) == (False, ("a.csv",), ("HOME",), 7)


def test_defaults_of_data_arguments_are_literals():
    plan = defaulted()
    assert plan.nodes[0].inputs == {"value": InputSpec(value=[1, 2])}


@step
def with_default(value: list[int] = [1, 2]) -> int:  # noqa: B006
    return sum(value)


@pipeline
def defaulted():
    return with_default()


class Both(NamedTuple):
    first: int
    second: str


@step
def both() -> Both:
    return Both(1, "x")


def test_outputs_can_be_unpacked_and_handed_on_whole():
    @pipeline
    def flow():
        first, second = both()
        return {"a": double(first), "b": anything(second)}

    @pipeline
    def whole():
        return both()

    assert flow().nodes[1].inputs["value"].output == "first"
    assert whole().outputs == {"first": ("both", "first"), "second": ("both", "second")}


def test_a_pipeline_may_return_nothing():
    @pipeline
    def flow():
        number()

    assert flow().outputs == {}
    assert ids(flow()) == ["number"]


def test_a_plan_that_fails_leaves_no_trace_behind():
    @pipeline
    def broken():
        number()
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        broken()
    assert double(4) == 8


def test_conditions_over_parameters_are_plain_python():
    @pipeline
    def flow(*, is_large: bool = False):
        return double(number()) if is_large else number()

    assert len(flow().nodes) == 1
    assert len(flow(is_large=True).nodes) == 2


def seconds_for(branches):
    start = time.process_time()
    plan = wide(branches=branches)
    assert len(plan.digest) == 64
    assert len(Plan.from_json(plan.to_json()).nodes) == 2 * branches + 1
    plan.to_text()
    plan.to_mermaid()
    return time.process_time() - start


def test_a_thousand_nodes_cost_no_more_each_than_a_hundred():
    seconds_for(10)
    small = min(seconds_for(50) for _ in range(3))
    large = min(seconds_for(500) for _ in range(3))
    assert large < 30 * small  # ten times as many nodes; a quadratic cost would be a hundred times
    assert large < 2


def test_a_model_names_its_pipeline():
    model = Model("flight-delay", chain)
    assert model.pipeline is chain


@pytest.mark.parametrize("name", ["", "a b", "..", ".hidden", "a/b", "ü", "x\n", "-x"])
def test_a_model_s_name_fits_a_url_and_a_folder(name):
    with pytest.raises(DefinitionError, match=r"Model\.name"):
        Model(name, chain)
    with pytest.raises(DefinitionError, match=r"Model\.endpoint"):
        Model("fine", chain, endpoint=name)


def test_a_model_s_problems_come_together():
    with pytest.raises(DefinitionError) as caught:
        Model("a b", chain.function)
    assert len(caught.value.problems) == 2


def test_a_ref_knows_its_type():
    seen = []

    @pipeline
    def flow():
        seen.append(split(table("flights")).train)
        count(seen[0])

    flow()
    assert isinstance(seen[0], Ref)
    assert seen[0].type_names[-1] == "object"
    assert named.signature.inputs == ("values",)


def test_text_for_a_step_s_parameter_is_held_as_its_type():
    @pipeline
    def flow():
        return number(value="7")

    assert flow().nodes[0].parameters == {"value": 7}
