from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidewheel.core import records
from tidewheel.core.records import Artifact, Check, EndpointState, Evidence, Execution, Label, Record, Verdict

KINDS = [
    kind
    for kind in (getattr(records, name) for name in records.__all__)
    if isinstance(kind, type) and issubclass(kind, Record) and kind is not Record
]

moments = st.datetimes(timezones=st.just(UTC))
plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=4,
)
st.register_type_strategy(datetime, moments)
st.register_type_strategy(float, st.floats(allow_nan=False, allow_infinity=False))
st.register_type_strategy(int, st.integers(-(2**63), 2**63 - 1))


def facts(kind):
    """Any record of a kind, built from its annotations."""
    fields = {field.name: strategy_of(field.type) for field in msgspec.structs.fields(kind)}
    return st.fixed_dictionaries(fields).map(lambda values: kind(**values))


def strategy_of(annotation):
    if isinstance(annotation, type) and issubclass(annotation, Record):
        return facts(annotation)
    origin = getattr(annotation, "__origin__", None)
    arguments = getattr(annotation, "__args__", ())
    if repr(annotation) == "typing.Any":
        return plain
    if origin is dict:
        return st.dictionaries(st.text(max_size=4), strategy_of(arguments[1]), max_size=2)
    if origin is tuple:
        return st.lists(strategy_of(arguments[0]), max_size=2).map(tuple)
    if type(annotation).__name__ in ("UnionType", "_UnionGenericAlias"):
        return st.one_of(*[strategy_of(one) for one in arguments])
    return st.from_type(annotation)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@settings(max_examples=12)  # of each of thirty kinds
@given(data=st.data())
def test_a_fact_survives_json_also_from_a_newer_writer(kind, data):
    fact = data.draw(facts(kind))
    read = kind.from_json(fact.to_json())
    assert read == fact
    assert read.to_json() == fact.to_json()
    assert kind.from_json(fact.to_json().decode()) == fact
    assert kind.from_dict(json.loads(json.dumps(fact.to_dict()))) == fact
    assert kind.from_dict({**fact.to_dict(), "a_field_of_the_future": [1]}) == fact


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_facts_are_frozen_and_take_their_fields_by_name(kind):
    with pytest.raises(TypeError):
        kind("positional")
    assert kind.__struct_config__.frozen
    assert kind.__doc__


def test_a_missing_or_wrong_field_is_told():
    with pytest.raises(msgspec.ValidationError, match="ref"):
        Evidence.from_json('{"kind": "run"}')
    with pytest.raises(msgspec.ValidationError, match="int"):
        Check.from_json('{"name": "x", "passed": true, "row_count": "many"}')


def test_times_keep_their_microseconds_and_their_zone():
    moment = datetime(2013, 3, 10, 7, 30, 0, 123456, tzinfo=UTC)
    read = Label.from_json(Label(prediction_id="p", value=1, at=moment, recorded_at=moment).to_json())
    assert read.at == moment
    assert read.at.utcoffset() == timedelta(0)


def test_a_metric_without_a_number_reads_back_as_none():
    execution = Execution(
        id="e", run_id="r", node="train", step="m:train", status="succeeded", metrics={"auc": float("nan")}
    )
    assert Execution.from_json(execution.to_json()).metrics == {"auc": None}


def test_an_execution_lasts_from_its_start_to_its_end():
    execution = Execution(id="e", run_id="r", node="train", step="m:train", status="running")
    start = datetime(2013, 1, 1, tzinfo=UTC)
    assert execution.duration_s is None
    running = msgspec.structs.replace(execution, started_at=start)
    assert running.duration_s is None
    assert msgspec.structs.replace(running, ended_at=start + timedelta(seconds=2.5)).duration_s == 2.5


@given(st.lists(st.booleans(), max_size=4))
def test_a_verdict_passes_when_there_are_checks_and_all_passed(outcomes):
    checks = tuple(Check(name=str(number), passed=passed) for number, passed in enumerate(outcomes))
    verdict = Verdict(candidate_digest="d", champion_version=None, checks=checks)
    assert verdict.passed is (outcomes != [] and False not in outcomes)


@pytest.mark.parametrize(
    ("status", "url", "is_alive"),
    [
        ("ready", "http://127.0.0.1:1", True),
        ("starting", "", False),
        ("dead", "http://127.0.0.1:1", False),
        ("refused", "", False),
        ("refused", "http://127.0.0.1:1", True),
    ],
)
def test_an_endpoint_is_alive_while_some_version_answers(status, url, is_alive):
    state = EndpointState(endpoint="e", place="dev", model="m", version=1, package_digest="d", status=status, url=url)
    assert state.is_alive is is_alive


@given(st.dictionaries(st.text(max_size=4), st.integers(0, 9), max_size=5), st.randoms())
def test_facts_that_differ_in_the_order_of_a_dict_have_one_json(summary, random):
    keys = list(summary)
    random.shuffle(keys)
    shared = dict(digest="d", codec="json/1", type_name="int", size_bytes=1)
    other = {key: summary[key] for key in keys}
    assert Artifact(**shared, summary=summary).to_json() == Artifact(**shared, summary=other).to_json()
