from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

import pytest

from tidewheel.core.errors import DefinitionError, ParameterError
from tidewheel.pipeline import pipeline, step
from tidewheel.pipeline.literals import bind_literal, build_items, check_literal, item_annotations
from tidewheel.pipeline.parameters import to_json


@dataclass
class Rate:
    share: float
    since: date


class Side(enum.Enum):
    LEFT = "left"


class Pair(NamedTuple):
    left: int
    right: date


@step
def pair_of(*, number: int = 1) -> Pair:
    return Pair(number, date(2013, 1, number))


@step
def dated(day: date) -> str:
    return day.isoformat()


@step
def untyped(day: Any) -> str:
    return str(day)


@step
def paired(pair: Pair) -> int:
    return pair.left


@step
def listed(pair: list[int]) -> int:
    return len(pair)


@pytest.mark.parametrize(
    ("value", "annotation"),
    [
        (date(2013, 4, 1), date),
        (datetime(2013, 4, 1, 6, tzinfo=UTC), datetime | None),
        ((1, 2), tuple[int, int]),
        ((1, date(2013, 4, 1)), tuple[int, date]),
        ([(1, 2), (3, 4)], list[tuple[int, int]]),
        ({1, 2}, set[int]),
        (Rate(0.5, date(2013, 4, 1)), Rate),
        ([Rate(0.5, date(2013, 4, 1))], Sequence[Rate]),
        ({"a": date(2013, 4, 1)}, dict[str, date]),
        (Side.LEFT, Side),
        (Pair(1, date(2013, 4, 1)), Pair),
        ("2013-04-01", str),
        ([1, 2], Iterable[int]),
        (["a"], Any),
        (None, date | None),
        (True, bool),
    ],
)
def test_a_literal_reaches_the_step_as_it_was_written(value, annotation):
    check_literal(value, annotation)
    given = bind_literal(to_json(value), annotation)
    assert given == value
    assert type(given) is type(value)


@pytest.mark.parametrize(
    ("value", "annotation", "said"),
    [
        (date(2013, 4, 1), Any, "would reach the step as str"),
        (Rate(0.5, date(2013, 4, 1)), dict, "is a Rate, but would reach the step as dict"),
        ([date(2013, 4, 1)], list, "would reach the step as another type"),
        ("5", int, "'5' is no int"),
        ("yesterday", date, "is no date"),
        ({"share": 0.5, "since": "2013-04-01"}, Rate, "is a dict, but would reach the step as Rate"),
    ],
)
def test_a_literal_that_would_arrive_as_something_else_is_a_definition_error(value, annotation, said):
    with pytest.raises(ParameterError, match=said):
        check_literal(value, annotation)


def test_a_pipeline_tells_all_wrong_literals_before_it_runs():
    @pipeline
    def flow():
        untyped(date(2013, 4, 1))
        dated("tomorrow")
        listed(pair_of())

    with pytest.raises(DefinitionError) as raised:
        flow()
    assert len(raised.value.problems) == 3
    assert "argument 'pair': it is a Pair, but would reach the step as list[int]" in raised.value.problems[2]


def test_a_named_tuple_of_outputs_goes_whole_to_a_step_that_is_annotated_so():
    @pipeline
    def flow():
        paired(pair_of())

    spec = flow().nodes[1].inputs["pair"]
    assert [(item.node, item.output) for item in spec.items] == [("pair_of", "left"), ("pair_of", "right")]
    assert build_items([1, date(2013, 1, 1)], Pair | None) == Pair(1, date(2013, 1, 1))
    assert item_annotations(Pair, 2) == [int, date]
