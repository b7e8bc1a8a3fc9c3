from __future__ import annotations

import numpy as np
import pandas as pd
from airport_life import flight, observation, planes
from flights.aircraft import aircraft
from flights.departures import departures
from flights.weather import observed_weather

ASKED = flight(sched_dep_time=1400)  # its answer is due at 16:00 UTC


def seen(*rows: dict[str, object]) -> pd.Series:
    return observed_weather(departures(pd.DataFrame([ASKED])), pd.DataFrame(rows)).iloc[0]


def test_the_last_observation_at_or_before_the_instant_is_taken() -> None:
    rows = [observation(f"2013-06-10 {hour}:00", temp=float(hour)) for hour in (17, 15, 16, 14)]
    assert seen(*rows)["temp"] == 16.0


def test_an_observation_a_minute_later_is_not_seen() -> None:
    assert np.isnan(seen(observation("2013-06-10 16:01"))["temp"])


def test_a_stale_observation_and_one_of_another_airport_say_nothing() -> None:
    assert np.isnan(seen(observation("2013-06-10 12:59"))["temp"])
    assert np.isnan(seen(observation("2013-06-10 16:00", origin="JFK"))["temp"])


def test_an_impossible_wind_becomes_null_and_the_rest_stays() -> None:
    weather = seen(observation("2013-06-10 16:00", wind_speed=1048.36))
    assert np.isnan(weather["wind_speed"])
    assert weather["visib"] == 10.0


def test_planes_are_found_by_tail_number_and_missing_ones_are_null() -> None:
    tails = ["N1", "N2", "N3", None, "", "NA"]
    rows = pd.DataFrame([flight(tailnum=tail) for tail in tails])
    known = aircraft(rows, pd.concat([planes(), planes().assign(tailnum="NA")]))
    assert known["plane_age"].fillna(-1).tolist() == [10, -1, -1, -1, -1, -1]
    assert known["plane_seats"].fillna(-1).tolist() == [149, 55, -1, -1, -1, -1]
