from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidewheel.core.errors import ParametersError
from tidewheel.steps.optuna_search import OptunaSearch, may_go_on
from tidewheel.steps.search_space import Choices, Range, read_space


def test_every_form_is_read_and_survives_json():
    space = {
        "boosting": {
            "rate": {"low": 0.01, "high": 0.3, "log": True},
            "leaves": {"low": 7, "high": 63, "step": 8},
            "kind": ["gbdt", "dart"],
            "bins": 255,
        },
        "mean": {},
    }
    assert read_space(json.loads(json.dumps(space))) == {
        "boosting": {
            "rate": Range(0.01, 0.3, is_log=True),
            "leaves": Range(7, 63, step=8),
            "kind": Choices(("gbdt", "dart")),
            "bins": Choices((255,)),
        },
        "mean": {},
    }


@pytest.mark.parametrize(
    ("given_range", "said"),
    [
        ({"low": 1}, "has no high"),
        ({"high": 1}, "has no low"),
        ({}, "has no low and no high"),
        ({"low": 3, "high": 1}, "low 3 is not below high 1"),
        ({"low": 1, "high": 1}, "low 1 is not below high 1"),
        ({"low": 0, "high": 1, "log": True}, "no logarithm"),
        ({"low": "1", "high": 2}, "low '1' is no number"),
        ({"low": True, "high": 2}, "low True is no number"),
        ({"low": 1.0, "high": math.inf}, "high inf is not finite"),
        ({"low": 1, "high": 9, "step": 0.5}, "a whole step"),
        ({"low": 1, "high": 9, "step": 20}, "does not fit"),
        ({"low": 1.0, "high": 9.0, "log": True, "step": 1.0}, "no step"),
        ({"low": 1, "high": 9, "scale": "log"}, "'scale' says nothing"),
        ([], "empty"),
        ([1, 1], "twice"),
        ([[1]], "no text, number"),
        (object(), "neither a range"),
        (list(np.array([0.1, 0.2])), "a number of NumPy"),
        (np.float64(0.1), "a number of NumPy"),
        ({"low": np.float64(0.1), "high": 1.0}, "a number of NumPy"),
    ],
)
def test_what_is_no_range_is_told_with_its_place(given_range, said):
    with pytest.raises(ParametersError, match=said) as caught:
        read_space({"model": {"fine": [1, 2], "odd": given_range}})
    assert len(caught.value.problems) == 1
    assert caught.value.problems[0].endswith("@ model.odd")


def test_all_problems_are_told_at_once():
    with pytest.raises(ParametersError) as caught:
        read_space({"a": {"b": {"low": 1}, "c": []}, "d": {"low": 1, "high": 2}})
    assert len(caught.value.problems) == 3


numbers = st.floats(-1e6, 1e6)


@given(low=numbers, width=st.floats(1e-3, 1e6), seed=st.integers(0, 2**40))
def test_what_is_asked_lies_in_its_range(low, width, seed):
    space = read_space({"one": {"x": {"low": low, "high": low + width}, "n": {"low": 1, "high": 1000, "log": True}}})
    search = OptunaSearch(space, "minimize", seed)
    for _ in range(3):
        question = search.ask()
        assert low <= question.parameters["x"] <= low + width
        assert 1 <= question.parameters["n"] <= 1000
        assert isinstance(question.parameters["n"], int)
        search.tell(question.number, question.parameters["x"])


def test_choices_that_are_equal_to_python_are_kept_apart():
    search = OptunaSearch(read_space({"one": {"x": [1, True, 1.0, None]}}), "minimize", 1)
    asked = [search.ask().parameters["x"] for _ in range(40)]
    assert {(type(one), one) for one in asked} == {(int, 1), (bool, True), (float, 1.0), (type(None), None)}


def test_a_search_comes_closer_than_chance():
    space = read_space({"one": {"x": {"low": -10.0, "high": 10.0}}})

    def best(seed: int, *, is_told: bool) -> float:
        search, values = OptunaSearch(space, "minimize", seed), []
        for _ in range(40):
            question = search.ask()
            values.append((question.parameters["x"] - 3.0) ** 2)
            search.tell(question.number, values[-1] if is_told else 0.0)
        return min(values)

    seeds = range(8)
    assert sum(best(seed, is_told=True) for seed in seeds) < 0.5 * sum(best(seed, is_told=False) for seed in seeds)


def test_pruning_follows_the_median_of_those_before():
    history = [((0, float(number)), (1, float(number))) for number in range(5)]
    assert may_go_on({0: 2.0}, history, "minimize")
    assert not may_go_on({0: 2.5}, history, "minimize")
    assert may_go_on({0: 2.5}, history, "maximize")
    assert may_go_on({0: 9.0}, history[:4], "minimize")  # too few to judge by
