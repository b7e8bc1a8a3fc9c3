from __future__ import annotations

import dataclasses
import enum
import math
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal, Optional, Union

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidewheel.core.errors import ParameterError, ParametersError
from tidewheel.pipeline import bind_parameters, bind_value, declared_parameters, parse_parameters
from tidewheel.pipeline.parameters import to_json


class Kind(enum.Enum):
    FOREST = "forest"
    LINEAR = "linear"


class Level(enum.IntEnum):
    LOW = 1


@dataclasses.dataclass
class Window:
    days: int
    since: date = date(2013, 1, 1)


FROM_TEXT = [
    ("7", int, 7),
    ("-7", int, -7),
    ("0.5", float, 0.5),
    ("7", float, 7.0),
    ("1e3", float, 1000.0),
    ("true", bool, True),
    ("Yes", bool, True),
    ("0", bool, False),
    ("no", bool, False),
    ("x", str, "x"),
    ("7", str, "7"),
    ("[x", str, "[x"),
    ("none", str, "none"),
    ("", str, ""),
    ("2013-04-01", date, date(2013, 4, 1)),
    ("2013-04-01T12:00:00", datetime, datetime.fromisoformat("2013-04-01T12:00:00")),
    ("P1D", timedelta, timedelta(days=1)),
    ("1.10", Decimal, Decimal("1.10")),
    ("forest", Kind, Kind.FOREST),
    ("1", Level, Level.LOW),
    ("a", Literal["a", "b"], "a"),
    ("2", Literal[1, 2], 2),
    ("none", int | None, None),
    ("null", Optional[float], None),  # noqa: UP045
    ("5", int | None, 5),
    ("5", Union[int, None], 5),  # noqa: UP007
    ("x", str | None, "x"),
    ("none", str | None, None),
    ("[1, 2]", list[int], [1, 2]),
    ('["a"]', tuple[str, ...], ("a",)),
    ('{"a": 1}', dict[str, int], {"a": 1}),
    ('{"7": 1.5}', dict[int, float], {7: 1.5}),
    ('{"days": 3, "since": "2013-02-01"}', Window, Window(3, date(2013, 2, 1))),
    ("x", Any, "x"),
]


@pytest.mark.parametrize(("text", "annotation", "value"), FROM_TEXT)
def test_text_of_a_command_line_becomes_the_type(text, annotation, value):
    parsed = bind_value(text, annotation)
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize(("text", "annotation", "value"), FROM_TEXT)
def test_a_value_goes_through_the_plan_to_the_worker_unchanged(text, annotation, value):
    sent = to_json(bind_value(text, annotation))
    received = bind_value(sent, annotation)
    assert received == value
    assert type(received) is type(value)


@pytest.mark.parametrize(
    ("value", "annotation"),
    [
        ("x", int),
        ("1.5", int),
        ("", int),
        ("true", int),
        ("x", float),
        ("nan", float),
        ("inf", float),
        ("perhaps", bool),
        ("2", bool),
        ("2013-02-30", date),
        ("yesterday", date),
        ("x", Kind),
        ("FOREST", Kind),
        ("c", Literal["a", "b"]),
        ("none", int),
        ("1,2", list[int]),
        ("[1,", list[int]),
        ('["a"]', list[int]),
        ("[1, 2]", dict[str, int]),
        ('{"dys": 3}', Window),
        (1.5, int),
        (True, int),
        (1, bool),
        (1, str),
        (None, int),
        ([1, "x"], list[int]),
        (object(), int),
        (math.nan, float),
        (-math.inf, float),
        (2**70, int),
        (20130401, date),
    ],
)
def test_a_wrong_value_is_told_with_its_type(value, annotation):
    with pytest.raises(ParameterError) as caught:
        bind_value(value, annotation)
    assert repr(value) in caught.value.what


@given(st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_keep_their_value_as_text(number):
    assert bind_value(repr(number), type(number)) == number


def training(*, until: date, rounds: int = 200, kinds: tuple[Kind, ...] = (Kind.FOREST,), note: str | None = None):
    """Declared for the tests below."""


def test_defaults_are_filled_in():
    assert parse_parameters(training, {"until": "2013-04-01"}) == {
        "until": date(2013, 4, 1),
        "rounds": 200,
        "kinds": (Kind.FOREST,),
        "note": None,
    }


def test_all_wrong_parameters_come_together_with_the_nearest_names():
    with pytest.raises(ParametersError) as caught:
        parse_parameters(training, {"ruonds": 3, "kinds": '["oak"]'})
    unknown, missing, wrong = caught.value.problems
    assert unknown == "unknown parameter 'ruonds': did you mean 'rounds'? @ ruonds"
    assert missing == "missing: a date @ until"
    assert "kinds" in wrong
    assert "oak" in wrong
    assert "training" in caught.value.what


def test_a_parameter_that_comes_in_another_way_is_not_missing():
    assert "until" not in parse_parameters(training, {}, elsewhere={"until"})
    with pytest.raises(ParametersError, match="unknown parameter 'utnil'"):
        parse_parameters(training, {}, elsewhere={"utnil"})


def test_a_function_without_parameters_takes_none():
    with pytest.raises(ParametersError, match="there is no parameter yet"):
        parse_parameters(lambda: None, {"x": 1})


def test_declared_parameters_are_told_as_written():
    told = [str(one) for one in declared_parameters(training)]
    assert told == ["until: date", "rounds: int = 200", told[2], "note: str | None = None"]
    assert told[2].endswith("= ['forest']")
    assert [one.is_required for one in declared_parameters(training)] == [True, False, False, False]


def test_a_worker_binds_what_the_plan_holds():
    assert bind_parameters(training, {"until": "2013-04-01", "kinds": ["linear"], "note": None}) == {
        "until": date(2013, 4, 1),
        "kinds": (Kind.LINEAR,),
        "note": None,
    }


@given(st.sets(st.text(max_size=4), max_size=8))
def test_a_set_has_one_json_form(words):
    assert to_json(words) == sorted(words)


@pytest.mark.parametrize("value", [object(), {"a": [math.nan]}, (1, 2**64), {"a": object()}, 1j])
def test_what_json_does_not_keep_has_no_json_form(value):
    with pytest.raises(TypeError):
        to_json(value)
