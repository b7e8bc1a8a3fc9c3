from __future__ import annotations

import time
from datetime import UTC, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidewheel.core import identifier
from tidewheel.core.clock import VirtualClock, WallClock, parse_time, utc_now
from tidewheel.core.errors import ParameterError
from tidewheel.core.identifier import new_id

ZONES = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(st.datetimes(timezones=ZONES).filter(lambda moment: 1 < moment.year < 9999))
def test_a_time_that_was_written_reads_back_as_the_same_moment_in_utc(moment):
    read = parse_time(moment.isoformat())
    assert read == moment
    assert read.utcoffset() == timedelta(0)


@given(st.datetimes())
def test_a_time_without_an_offset_is_utc(moment):
    assert parse_time(moment.isoformat()) == moment.replace(tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2013-13-01", "2013-02-30", "1364774400", "0001-01-01T00:00:00+05:00"]
)
def test_what_is_no_time_is_told_with_an_example(text):
    with pytest.raises(ParameterError, match="is no time") as caught:
        parse_time(text)
    assert "2013-04-01" in caught.value.next_step


def test_the_virtual_clock_stands_still_until_it_is_moved():
    clock = VirtualClock(parse_time("2013-04-01"))
    assert clock.now() == clock.now() == parse_time("2013-04-01")
    clock.at = parse_time("2013-05-01")
    assert clock.now() == parse_time("2013-05-01")


def test_the_wall_clock_tells_aware_times_that_do_not_go_back():
    times = [utc_now(), WallClock().now(), WallClock().now()]
    assert times == sorted(times)
    assert all(moment.utcoffset() == timedelta(0) for moment in times)


def test_ids_can_be_typed_do_not_repeat_and_sort_by_creation():
    ids = [new_id() for _ in range(2000)]
    assert len(set(ids)) == len(ids)
    assert ids == sorted(ids)
    assert all(len(one) == 16 and set(one) <= set("0123456789abcdefghjkmnpqrstvwxyz") for one in ids)


@given(st.lists(st.integers(0, 2**45 - 1), min_size=2, max_size=6, unique=True))
def test_ids_sort_by_the_millisecond_of_their_creation(moments):
    with pytest.MonkeyPatch.context() as patch:
        made = []
        for moment in moments:
            patch.setattr(identifier, "time", FrozenTime(moment * 1_000_000))
            made.append((moment, new_id()))
    assert sorted(made) == sorted(made, key=lambda pair: pair[1])


def test_the_ids_of_one_millisecond_differ(monkeypatch):
    monkeypatch.setattr(identifier, "time", FrozenTime(time.time_ns()))
    assert len({new_id() for _ in range(100)}) == 100
    assert len({new_id()[:9] for _ in range(100)}) == 1


class FrozenTime:
    def __init__(self, at_ns):
        self.at_ns = at_ns

    def time_ns(self):
        return self.at_ns
