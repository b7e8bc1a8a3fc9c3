"""The index of answered ids: the first answer stays, whoever enters it, and however often."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidewheel.core.errors import StorageError
from tidewheel.core.records import Prediction
from tidewheel.prediction_log.answered_index import FILE, AnsweredIndex, digest_question

AT = datetime(2013, 4, 1, tzinfo=UTC)


def prediction(name: str, model: str = "m", version: int = 1, **inputs) -> Prediction:
    return Prediction(
        id=name,
        request_id="r",
        endpoint=model,
        place="dev",
        model=model,
        version=version,
        package_digest="p",
        inputs=inputs or {"x": 1.0},
        outputs={"probability": 0.1 + 0.2},
        score=0.1 + 0.2,
        at=AT,
        recorded_at=AT,
    )


def test_an_answer_is_found_as_it_was_given(tmp_path):
    index = AnsweredIndex(tmp_path)
    assert index.find("m", ["a"]) == {}
    assert index.add("s1", [prediction("a", x=None, kind="ä"), prediction("b")]) == [True, True]
    found = AnsweredIndex(tmp_path).find("m", ["a", "b", "c"])
    assert set(found) == {"a", "b"}
    assert found["a"].outputs == {"probability": 0.1 + 0.2}
    assert found["a"].question == digest_question({"kind": "ä", "x": None})


def test_the_first_segment_keeps_an_id_however_often_it_is_entered(tmp_path):
    index = AnsweredIndex(tmp_path)
    for _ in range(2):
        assert index.add("s1", [prediction("a")]) == [True]
        assert index.add("s2", [prediction("a", version=2), prediction("b"), prediction("b")]) == [False, True, False]
    assert index.find("m", ["a"])["a"].version == 1


def test_models_have_ids_of_their_own(tmp_path):
    index = AnsweredIndex(tmp_path)
    assert index.add("s1", [prediction("a"), prediction("a", model="other")]) == [True, True]


def test_thousands_of_ids_are_found_at_once(tmp_path):
    index = AnsweredIndex(tmp_path)
    names = [f"p{number}" for number in range(1201)]
    index.add("s", [prediction(name) for name in names])
    assert set(index.find("m", [*names, "absent"])) == set(names)


def test_a_damaged_index_is_told_and_nothing_is_answered_from_it(tmp_path):
    (tmp_path / FILE).write_bytes(b"no database, but long enough to be taken for one" * 100)
    with pytest.raises(StorageError, match="index of answered"):
        AnsweredIndex(tmp_path).find("m", ["a"])


def test_a_failed_entry_enters_nothing(tmp_path):
    index = AnsweredIndex(tmp_path)
    index.add("s0", [prediction("z")])
    with sqlite3.connect(tmp_path / FILE) as connection:
        connection.execute(
            "create trigger stop before insert on answered when new.id = 'b' begin select raise(abort, 'full'); end"
        )
    with pytest.raises(StorageError):
        index.add("s1", [prediction("a"), prediction("b")])
    assert index.find("m", ["a", "b"]) == {}


VALUES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()


@given(st.dictionaries(st.text(min_size=1), VALUES), st.dictionaries(st.text(min_size=1), VALUES))
def test_rows_have_one_digest_exactly_if_they_are_equal(one, other):
    def plain(row):
        numbers = {name: value for name, value in row.items() if isinstance(value, int) and not isinstance(value, bool)}
        return {name: repr(float(value) if name in numbers else value) for name, value in row.items()}

    assert digest_question(one) == digest_question(dict(reversed(one.items())))
    assert (digest_question(one) == digest_question(other)) == (plain(one) == plain(other))
