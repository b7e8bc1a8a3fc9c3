from __future__ import annotations

import pandas as pd
import pytest
from airport_life import Tables, cancelled, flight
from flights.departures import departures, flight_id, scheduled_at


def scheduled(**values: object) -> str:
    return str(scheduled_at(pd.DataFrame([flight(**values)])).iloc[0].isoformat())


@pytest.mark.parametrize(
    ("month", "day", "clock", "instant"),
    [
        (3, 9, 600, "2013-03-09T11:00:00+00:00"),
        (3, 10, 159, "2013-03-10T06:59:00+00:00"),
        (3, 10, 600, "2013-03-10T10:00:00+00:00"),
        (11, 2, 600, "2013-11-02T10:00:00+00:00"),
        (11, 3, 59, "2013-11-03T04:59:00+00:00"),
        (11, 3, 600, "2013-11-03T11:00:00+00:00"),
    ],
)
def test_local_times_are_read_through_both_changes_of_the_clock(month: int, day: int, clock: int, instant: str) -> None:
    assert scheduled(month=month, day=day, sched_dep_time=clock) == instant


def test_an_hour_that_the_clock_skips_or_repeats_has_one_reading() -> None:
    assert scheduled(month=11, day=3, sched_dep_time=130) == "2013-11-03T05:30:00+00:00"
    assert scheduled(month=3, day=10, sched_dep_time=230) == "2013-03-10T07:00:00+00:00"


def test_a_delay_over_midnight_and_over_the_change_of_the_clock_is_added_to_the_instant() -> None:
    row = flight(month=3, day=9, sched_dep_time=2330, dep_time=400.0, dep_delay=210.0)
    known = departures(pd.DataFrame([row]))["known_at"].iloc[0]
    assert known.isoformat() == "2013-03-10T08:00:00+00:00"
    assert known.tz_convert("America/New_York").hour == 4


@pytest.mark.parametrize(("minutes", "label"), [(15, 0.0), (16, 1.0), (-20, 0.0)])
def test_late_means_more_than_fifteen_minutes(minutes: int, label: float) -> None:
    assert departures(pd.DataFrame([flight(arr_delay=minutes)]))["label"].tolist() == [label]


def test_flights_that_did_not_arrive_have_no_label() -> None:
    rows = pd.DataFrame([cancelled(), flight(flight=2, arr_delay=None, air_time=None)])
    fate = departures(rows)
    assert fate["label"].isna().all()
    assert fate["outcome_at"].isna().all()
    assert fate["is_cancelled"].tolist() == [True, False]


def test_a_cancellation_is_known_half_an_hour_after_its_schedule() -> None:
    fate = departures(pd.DataFrame([cancelled()])).iloc[0]
    assert fate["known_at"] - fate["scheduled_at"] == pd.Timedelta(minutes=30)


def test_a_pending_flight_is_not_taken_for_a_cancelled_one() -> None:
    fate = departures(pd.DataFrame([cancelled()]).assign(is_pending=True)).iloc[0]
    assert not fate["is_cancelled"]
    assert pd.isna(fate["known_at"])


def test_the_answer_is_due_two_hours_before_the_schedule(tables: Tables) -> None:
    fate = departures(tables.flights)
    assert (fate["scheduled_at"] - fate["predict_at"] == pd.Timedelta(hours=2)).all()


def test_flight_ids_are_readable_and_unique(tables: Tables) -> None:
    assert flight_id(pd.DataFrame([flight(sched_dep_time=515)])).tolist() == ["2013-06-10-EWR-UA1-0515"]
    assert flight_id(tables.flights).is_unique
