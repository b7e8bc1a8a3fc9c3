"""The index of answered ids: the first answer stays, whoever enters it, and however often."""

from __future__ import annotations

import sqlite3
import threading
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidewheel.core.errors import StorageError
from tidewheel.core.records import Prediction
from tidewheel.prediction_log.answered_index import FILE, AnsweredIndex, digest_question

AT = datetime(2013, 4, 1, tzinfo=UTC)


def prediction(name: str, model: str = "m", version: int = 1, recorded_at: datetime = AT, **inputs) -> Prediction:
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
        recorded_at=recorded_at,
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


def test_what_is_older_is_forgotten_and_nothing_else(tmp_path):
    index = AnsweredIndex(tmp_path)
    assert index.forget(AT) == 0
    days = [prediction(f"p{day}", recorded_at=AT + timedelta(days=day)) for day in range(10)]
    index.add("s1", days)
    index.add("waits", [prediction("w")])
    assert index.forget(AT + timedelta(days=4), but_of={"waits", "other"}) == 4
    assert set(index.find("m", [one.id for one in days] + ["w"])) == {"w", *(f"p{day}" for day in range(4, 10))}
    assert index.forget(AT + timedelta(days=4), but_of={"waits"}) == 0
    assert index.add("s2", [days[0], days[5]]) == [True, False]


def test_any_number_of_ids_is_forgotten_while_a_writer_goes_on(tmp_path):
    index = AnsweredIndex(tmp_path)
    index.add("old", [prediction(f"p{number}") for number in range(20_001)])
    fresh = [prediction(f"f{number}", recorded_at=AT + timedelta(days=2)) for number in range(50)]

    def write() -> None:
        own = AnsweredIndex(tmp_path)
        for one in fresh:
            assert own.add(f"s-{one.id}", [one]) == [True]
        own.close()

    writer = threading.Thread(target=write)
    writer.start()
    assert index.forget(AT + timedelta(days=1)) == 20_001
    writer.join()
    assert set(index.find("m", ["p0", "p20000", *(one.id for one in fresh)])) == {one.id for one in fresh}


def test_an_index_of_an_earlier_version_keeps_its_ids_for_the_whole_time_from_now_on(tmp_path):
    with sqlite3.connect(tmp_path / FILE) as connection:
        connection.execute(
            "create table answered (model text not null, id text not null, segment text not null, version integer not "
            "null, package_digest text not null, question blob not null, outputs blob not null, primary key (model, id)"
            ") without rowid"
        )
        connection.execute("insert into answered values ('m', 'a', 's', 3, 'p', x'00', '{}')")
    connection.close()
    index = AnsweredIndex(tmp_path)
    assert index.forget(datetime.now(UTC) - timedelta(minutes=1)) == 0
    assert index.find("m", ["a"])["a"].version == 3
    assert index.add("s2", [prediction("a"), prediction("b")]) == [False, True]
    assert index.forget(datetime.now(UTC) + timedelta(minutes=1)) == 2


VALUES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()


@given(st.dictionaries(st.text(min_size=1), VALUES), st.dictionaries(st.text(min_size=1), VALUES))
def test_rows_have_one_digest_exactly_if_they_are_equal(one, other):
    def plain(row):
        numbers = {name: value for name, value in row.items() if isinstance(value, int) and not isinstance(value, bool)}
        return {name: repr(float(value) if name in numbers else value) for name, value in row.items()}

    assert digest_question(one) == digest_question(dict(reversed(one.items())))
    assert (digest_question(one) == digest_question(other)) == (plain(one) == plain(other))
