from __future__ import annotations

import functools

import pytest

import example_steps
from example_steps import anything, count, double, named, number, split, total
from tidewheel.core.errors import DefinitionError, ParameterError
from tidewheel.pipeline import pipeline, step, table


def problems_of(flow, **parameters):
    with pytest.raises(DefinitionError) as caught:
        flow(**parameters)
    return caught.value.problems


def problems_in(body):
    return problems_of(pipeline(body))


@step
def untyped(value, *, rate=0.1):
    return value


@step
def gathers(*values: int) -> int:
    return sum(values)


@step
def odd_default(*, thing: object = object()) -> int:
    return 1


unresolved = step(example_steps.undefined)


def test_all_that_is_wrong_comes_together_each_with_its_call():
    def body():
        double()
        double(1, tmes=3)
        number(value="x")
        double(named({"a": 1}))
        count(object())
        return 3

    problems = problems_in(body)
    assert len(problems) == 6
    told = "\n".join(problems)
    assert "missing a required argument: 'value' @ body, call double" in told
    assert "unexpected keyword argument 'tmes' @ body, call double" in told
    assert "parameter 'value': 'x' is no int" in told
    assert "argument 'value' must be int, but <ref named.output> is str @ body, call double" in told
    assert "argument 'rows' is neither a step's output nor a JSON value: object @ body, call count" in told
    assert "it returns int, not outputs of steps" in told


def test_the_place_names_nested_pipelines():
    @pipeline
    def inner():
        double()

    @pipeline
    def flow():
        inner()

    assert problems_of(flow)[0].endswith("@ flow > inner, call double")


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: untyped(1), "argument 'value' has no type annotation"),
        (lambda: untyped(1), "argument 'rate' has no type annotation"),
        (lambda: untyped(1), "it has no return annotation"),
        (lambda: gathers(1), "argument *values: 'int' has no fixed name"),
        (odd_default, "the default of parameter 'thing' is no JSON value"),
        (lambda: unresolved(1), "its annotations cannot be resolved: name 'Missing' is not defined"),
        (step(lambda: 1), "not defined at the top of a module"),
        (lambda: number(value=1.5), "parameter 'value': 1.5 is no int"),
        (lambda: number(value=True), "parameter 'value': True is no int"),
        (lambda: number(value=None), "parameter 'value': None is no int"),
        (lambda: number(value=[number()]), "parameter 'value' is no JSON value"),
        (lambda: split(table("t"), share=float("nan")), "parameter 'share'"),
        (lambda: number(value=2**70), "parameter 'value'"),
        (lambda: anything(float("inf")), "argument 'value' is neither a step's output nor a JSON value: float"),
        (lambda: anything({1: 2}), "argument 'value' is neither a step's output nor a JSON value: dict"),
        (lambda: anything({1: number()}), "argument 'value' is neither"),
    ],
)
def test_what_cannot_run_is_told_before_it_does(call, told):
    def body():
        call()

    assert told in "\n".join(problems_in(body))


def test_types_that_may_fit_are_not_refused():
    def body():
        total(anything(1))
        split(table("flights"))
        count(split(table("flights")).train)
        double(named.__class__ and number())

    assert len(pipeline(body)().nodes) >= 6


def test_arguments_of_a_pipeline_are_keyword_only():
    @pipeline
    def flow(days, month=1):
        number()

    with pytest.raises(DefinitionError) as caught:
        flow()
    assert [problem.split(" is")[0] for problem in caught.value.problems] == ["argument 'days'", "argument 'month'"]
    assert "*" in caught.value.next_step


def test_annotations_of_a_pipeline_must_resolve():
    @pipeline
    def flow(*, days: Missing):  # noqa: F821
        number()

    assert "Missing" in problems_of(flow, days=1)[0]


def test_an_error_of_the_pipeline_s_own_code_tells_what_was_found_before():
    def body():
        number(vlaue=1)
        raise RuntimeError("boom")

    problems = problems_in(body)
    assert "vlaue" in problems[0]
    assert "RuntimeError: boom" in problems[1]


@pytest.mark.parametrize(
    "options", [{"retries": -1}, {"backoff_s": -0.1}, {"cpu": 0}, {"timeout_s": 0}, {"timeout_s": -5}]
)
def test_options_out_of_range_are_refused_at_once(options):
    with pytest.raises(ParameterError, match=next(iter(options))):
        step(**options)(example_steps.number.function)


def test_a_wrapped_function_keeps_its_name():
    @functools.wraps(number.function)
    def wrapper(*, value: int = 1) -> int:
        return value

    assert step(wrapper).name == "number"
