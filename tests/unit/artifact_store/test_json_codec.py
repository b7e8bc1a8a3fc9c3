"""JSON values: exact, canonical, and nothing built or imported because a file says so."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import json
import math
import subprocess
import sys
import uuid
import zoneinfo
from collections import Counter, OrderedDict, defaultdict
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidewheel.artifact_store.json_codec import from_text, to_text
from tidewheel.core.errors import CodecNotFoundError, ParameterError, SchemaMismatchError, TidewheelError
from tidewheel.core.metrics import Metrics


class Colour(enum.Enum):
    RED = "red"
    BOTH = ("red", 1)


class Level(enum.IntEnum):
    LOW = 1


class Point(NamedTuple):
    x: float
    y: float = 0.0


@dataclasses.dataclass(frozen=True)
class Basket:
    name: str
    points: list[Point]
    colour: Colour = Colour.RED
    count: int = dataclasses.field(init=False, default=0)
    kinds: dataclasses.InitVar[int] = 3

    def __post_init__(self, kinds: int) -> None:
        object.__setattr__(self, "count", len(self.points))


class Crate(msgspec.Struct, tag="crate"):
    label: str
    inner: Crate | None = None


leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters())
    | st.binary()
    | st.dates()
    | st.datetimes(timezones=st.none() | st.just(datetime.UTC) | st.timezones(), allow_imaginary=True)
    | st.times()
    | st.timedeltas()
    | st.decimals()
    | st.uuids()
)
values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(st.text() | st.sampled_from(["$tuple", "$", "$dict"]), inner)
    ),
    max_leaves=12,
)


def same(one: Any, other: Any) -> bool:
    """Equality that tells types, signs of zero and NaN apart, and sees time zones."""
    if type(one) is not type(other):
        return False
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, datetime.datetime):
        return (one.replace(tzinfo=None), one.fold, one.utcoffset()) == (
            other.replace(tzinfo=None),
            other.fold,
            other.utcoffset(),
        )
    return repr(one) == repr(other)


@given(values)
def test_values_survive_exactly(value):
    assert same(from_text(to_text(value)), value)


@given(st.dictionaries(st.text(), st.integers()))
def test_the_order_of_a_dict_does_not_matter(value):
    assert to_text(dict(reversed(value.items()))) == to_text(value)


@pytest.mark.parametrize(
    "value",
    [
        Basket("b", [Point(1.0, -0.0), Point(math.inf)], Colour.BOTH),
        Crate("outer", Crate("inner")),
        [Colour.RED, Level.LOW],
        {"m": Metrics(auc=0.5)},
        {1, 2, 3},
        frozenset({(1, "a"), (1, "b")}),
        datetime.datetime(2013, 11, 3, 1, 30, fold=1, tzinfo=zoneinfo.ZoneInfo("America/New_York")),
        10**300,
        "\ud800 lone",
    ],
    ids=lambda value: type(value).__name__,
)
def test_classes_come_back_as_themselves(value):
    found = from_text(to_text(value))
    assert found == value
    assert type(found) is type(value)


def test_metrics_come_back_as_metrics():
    assert type(from_text(to_text(Metrics(auc=1.0)))) is Metrics


def test_sets_are_written_in_one_order():
    script = (
        "from tidewheel.artifact_store.json_codec import to_text;"
        "print(to_text({'s': {'a', 'b', 'c', 'd', 'e'}, 'f': frozenset({1, 'x', None, (2, 3)})}))"
    )
    texts = {
        subprocess.run(
            [sys.executable, "-c", script],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(texts) == 1


@pytest.mark.parametrize("value", [OrderedDict(b=1, a=2), defaultdict(int, b=1, a=2), Counter("baa")], ids=repr)
def test_other_dicts_are_stored_as_the_dict_they_equal(value):
    assert from_text(to_text(value)) == value


@pytest.mark.parametrize("value", [np.float64(0.1), np.float32(0.1), np.int64(7), np.bool_(True), np.str_("x")])
def test_numbers_of_numpy_become_numbers_of_python(value):
    found = from_text(to_text({"v": value}))["v"]
    assert found == value
    assert type(found).__module__ == "builtins"


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"a": [0, 1, 2, object()]}, "$.a[3]"),
        ((1, {"k": np.arange(3)}), "$[1].k"),
        (Basket("b", [Point(object())]), "$.points[0].x"),  # type: ignore[arg-type]
        ([1j], "$[0]"),
        ([np.datetime64("2013-01-01")], "$[0]"),
        ([range(3)], "$[0]"),
        ([json], "$[0]"),
        ({"t": datetime.datetime(2013, 1, 1, tzinfo=type("Zone", (datetime.tzinfo,), {})())}, "$.t"),
        ([type("Text", (str,), {})("x")], "$[0]"),
        ([type("Mine", (dict,), {})()], "$[0]"),
    ],
)
def test_what_cannot_be_stored_is_named_by_its_path(value, path):
    with pytest.raises(CodecNotFoundError) as caught:
        to_text(value)
    assert caught.value.where == path
    assert caught.value.next_step


@pytest.mark.parametrize("key", [1, None, (1, 2), 1.5, Colour.RED])
def test_keys_that_are_no_strings_are_refused(key):
    with pytest.raises(ParameterError, match="JSON keys are strings") as caught:
        to_text({"outer": {key: 1}})
    assert caught.value.where == "$.outer"


def test_a_value_that_contains_itself_is_refused():
    value: dict[str, Any] = {"a": []}
    value["a"].append(value)
    with pytest.raises(ParameterError, match="contains itself") as caught:
        to_text(value)
    assert caught.value.where == "$.a[0]"


def test_the_same_part_twice_is_no_cycle():
    part = [1]
    assert from_text(to_text([part, part])) == [[1], [1]]


def test_a_huge_integer_is_refused():
    with pytest.raises(ParameterError, match="4,300 digits or more"):
        to_text(10**5000)


def test_a_class_whose_module_is_not_loaded_becomes_a_dict():
    text = '{"$dataclass":{"type":"never.imported.Thing","fields":{"a":{"$tuple":[1]}}}}'
    assert from_text(text) == {"a": (1,)}
    assert "never" not in sys.modules


def test_a_class_whose_module_is_not_loaded_is_built_when_declared():
    text = to_text(Crate("x")).replace(Crate.__module__, "moved.elsewhere")
    text = text.replace("$struct", "$dataclass")

    @dataclasses.dataclass
    class Moved:
        label: str
        inner: Any

    assert from_text(text, Moved) == Moved("x", None)
    assert from_text(f"[{text}]", list[Moved]) == [Moved("x", None)]


@pytest.mark.parametrize("name", ["subprocess.Popen", "builtins.dict", "os.system", "collections.OrderedDict"])
def test_a_file_cannot_name_a_class_that_is_no_data_class(name):
    text = json.dumps({"$dataclass": {"type": name, "fields": {"args": ["true"]}}})
    assert from_text(text) == {"args": ["true"]}


def test_a_class_that_has_other_fields_by_now_is_told():
    text = to_text(Point(1.0)).replace('"x"', '"z"')
    with pytest.raises(SchemaMismatchError, match=r"no .*Point any more"):
        from_text(text)


def test_a_member_that_is_gone_is_told():
    with pytest.raises(SchemaMismatchError, match="no member 'green'"):
        from_text(to_text(Colour.RED).replace('"red"', '"green"'))


def test_a_declared_type_converts_plain_data():
    assert from_text('{"x":1,"y":2.5}', dict[str, float]) == {"x": 1.0, "y": 2.5}
    assert type(from_text('{"auc":1.0}', Metrics)) is Metrics


def test_plain_data_that_does_not_fit_the_declared_type_is_told():
    with pytest.raises(SchemaMismatchError, match="does not fit"):
        from_text('{"x":"one"}', dict[str, float])


def test_a_declared_type_that_says_nothing_about_data_changes_nothing():
    from collections.abc import Iterable

    assert from_text("[1]", Iterable) == [1]
    assert from_text("[1]", Any) == [1]


@given(st.text())
def test_any_text_is_a_value_or_an_error_of_ours(text):
    try:
        from_text(text)
    except (json.JSONDecodeError, TidewheelError):
        pass


def test_uuid_and_decimal_keep_their_form():
    value = [uuid.UUID(int=5), decimal.Decimal("1.10"), datetime.timedelta(days=-1, microseconds=3)]
    assert repr(from_text(to_text(value))) == repr(value)
