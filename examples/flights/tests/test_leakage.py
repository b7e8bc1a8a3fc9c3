from __future__ import annotations

import pandas as pd
import pytest
from airport_life import Tables
from flights.congestion import congestion
from flights.departures import LEAD_TIME, departures
from flights.features import QUESTION, questions
from flights.leakage import find_leaks


def test_no_feature_knows_the_future(tables: Tables) -> None:
    assert find_leaks(questions, tables.flights, instants=25) == []


def own_delay(flights: pd.DataFrame) -> pd.DataFrame:
    return questions(flights).assign(planted=flights["dep_delay"])


def time_in_the_air(flights: pd.DataFrame) -> pd.DataFrame:
    return questions(flights).assign(planted=flights["air_time"])


def congestion_at_departure(flights: pd.DataFrame) -> pd.DataFrame:
    fate = departures(flights)
    late = congestion(fate.assign(predict_at=fate["predict_at"] + LEAD_TIME))["congestion_delay"]
    return questions(flights).assign(planted=late)


def mean_delay_of_the_day(flights: pd.DataFrame) -> pd.DataFrame:
    mean = flights.groupby(["month", "day", "origin"])["dep_delay"].transform("mean")
    return questions(flights).assign(planted=mean)


def arrivals_of_departed(flights: pd.DataFrame) -> pd.DataFrame:
    """The subtle one: flights that had left, but by the delay at an arrival that was still to come."""
    fate = departures(flights)
    late = congestion(fate.assign(delay=flights["arr_delay"].fillna(0.0)))["congestion_delay"]
    return questions(flights).assign(planted=late)


LEAKS = [
    own_delay,
    time_in_the_air,
    congestion_at_departure,
    mean_delay_of_the_day,
    arrivals_of_departed,
]


@pytest.mark.parametrize("leaky", LEAKS, ids=lambda leaky: leaky.__name__)
def test_a_planted_leak_is_caught_and_named(tables: Tables, leaky: object) -> None:
    columns = (*QUESTION, "planted")
    found = find_leaks(leaky, tables.flights, instants=6, features=columns)  # type: ignore[arg-type]
    assert found == ["planted"]
