"""What is found equals what a plain loop over the records finds, on every database."""

from __future__ import annotations

import math
import operator
import random

import pytest

from tidewheel.core.errors import NotFoundError, ParameterError
from tidewheel.metadata_store import ExecutionStore, ExperimentStore, RunStore
from tidewheel.metadata_store.experiment import read_condition

SIGNS = {
    "=": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge
}  # fmt: skip


@pytest.fixture
def experiments(database):
    return ExperimentStore(database)


@pytest.fixture
def add(database, facts):
    runs, executions = RunStore(database), ExecutionStore(database)

    def add(parameters, *metrics, **changes):
        run = runs.create(facts.run(parameters=parameters, **changes))
        steps = [facts.execution(run, node=f"step-{number}") for number in range(len(metrics))]
        executions.put_many(steps)
        for step, numbers in zip(steps, metrics, strict=True):
            executions.update(type(step).from_dict(step.to_dict() | {"status": "succeeded", "metrics": numbers}))
        return run.id

    return add


def ids(found):
    return [one.run.id for one in found]


def test_runs_come_back_with_parameters_and_the_numbers_of_all_steps(experiments, add):
    run_id = add({"rate": 0.1, "name": "Zürich", "none": None}, {"auc": 0.5, "rows": 3.0}, {"auc": 0.7, "lost": None})
    (found,) = experiments.list()
    assert found.run.id == run_id
    assert found.parameters == {"rate": 0.1, "name": "Zürich", "none": None}
    assert found.metrics == {"auc": 0.7, "rows": 3.0}  # of two with one name the later step's


def test_the_later_step_counts_even_when_it_ended_first(experiments, database, facts):
    executions = ExecutionStore(database)
    run = RunStore(database).create(facts.run())
    first, second = facts.execution(run, node="a"), facts.execution(run, node="b")
    executions.put_many([first, second])
    for step, value in ((second, 2.0), (first, 1.0)):
        executions.update(type(step).from_dict(step.to_dict() | {"status": "succeeded", "metrics": {"auc": value}}))
    assert experiments.list()[0].metrics == {"auc": 2.0}


def test_operations_are_no_experiments(experiments, add):
    add({}, {"rows": 9.0}, plan_digest="", pipeline="ingest")
    assert list(experiments.list()) == []
    with pytest.raises(NotFoundError):
        experiments.list(sort="rows")


def test_what_is_sorted_by_must_exist_somewhere_and_near_names_are_offered(experiments, add):
    add({"rate": 0.1}, {"roc_auc": 0.5})
    with pytest.raises(NotFoundError, match="did you mean 'roc_auc'"):
        experiments.list(sort="roc_uac")


def test_numbers_that_are_not_finite_are_not_found(experiments, add):
    add({}, {"auc": math.nan, "loss": math.inf, "rows": 1.0})
    assert experiments.list()[0].metrics == {"rows": 1.0}


@pytest.mark.parametrize("text", ["roc_auc", "=3", "roc_auc>", "name>abc", "pipeline>3", ""])
def test_what_is_no_condition_is_told(text):
    with pytest.raises(ParameterError):
        read_condition(text)


def test_a_condition_is_compared_as_a_value_never_as_sql(experiments, add):
    kept = add({"name": "x' OR '1'='1"}, {"auc": 0.5})
    add({"name": "x"}, {"auc": 0.6})
    assert ids(experiments.list([read_condition("name=x' OR '1'='1")])) == [kept]
    assert ids(experiments.list([read_condition("na'me=1")])) == []


def test_a_text_that_looks_like_a_number_is_found_by_what_it_says(experiments, add):
    text, number = add({"region": "010"}, {}), add({"region": 10}, {})
    assert set(ids(experiments.list([read_condition("region=010")]))) == {number, text}
    assert ids(experiments.list([read_condition("region=10")])) == [number]


def matches(run, condition):
    """The meaning of a condition, said plainly."""
    same = SIGNS[condition.sign]
    if condition.name in ("pipeline", "status"):
        return same(run[condition.name], condition.value)
    kind, _, rest = condition.name.partition(".")
    sides = {"metric": ["metrics"], "parameter": ["parameters"]}.get(kind, ["metrics", "parameters"])
    name = rest if kind in ("metric", "parameter") else condition.name
    for side in sides:
        value = run[side].get(name)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if condition.number is not None and is_number and same(value, condition.number):
            return True
        is_text = isinstance(value, str) and (condition.number is None or condition.sign == "=")
        if is_text and same(value, condition.value):
            return True
    return False


def test_it_finds_what_a_loop_finds(experiments, add):
    source = random.Random(5)
    runs = []
    for _ in range(40):
        pipeline = source.choice(["one", "two"])
        parameters = {"rate": source.choice([0.1, 0.2, 5]), "kind": source.choice(["a", "b"]), "both": 1}
        metrics = {"both": source.choice([1.0, 2.0])} | ({"auc": source.random()} if source.random() < 0.7 else {})
        run_id = add(parameters, metrics, pipeline=pipeline)
        runs.append(
            {"id": run_id, "pipeline": pipeline, "status": "running", "parameters": parameters, "metrics": metrics}
        )
    asked = ["rate>=0.2", "kind=a", "kind!=a", "auc<0.5", "pipeline=two", "status!=failed", "both>1"]
    asked += ["parameter.both=1", "metric.both=1"]
    for _ in range(40):
        conditions = [read_condition(one) for one in source.sample(asked, source.randint(0, 3))]
        expected = [run for run in runs if all(matches(run, one) for one in conditions)]
        newest = [run["id"] for run in sorted(expected, key=lambda run: run["id"], reverse=True)]
        assert ids(experiments.list(conditions)) == newest
        having = [run for run in expected if "auc" in run["metrics"]]
        best = sorted(having, key=lambda run: (run["metrics"]["auc"], run["id"]), reverse=True)
        assert ids(experiments.list(conditions, sort="auc", limit=7)) == [run["id"] for run in best[:7]]
        worst = ids(experiments.list(conditions, sort="metric.auc", is_ascending=True))
        assert worst == [run["id"] for run in reversed(best)]
        by_rate = [one.parameters["rate"] for one in experiments.list(conditions, sort="rate")]
        assert by_rate == sorted((run["parameters"]["rate"] for run in expected), reverse=True)
