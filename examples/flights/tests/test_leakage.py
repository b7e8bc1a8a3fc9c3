from __future__ import annotations

import pandas as pd
import pytest
from airport_life import Tables
from flights.congestion import congestion
from flights.departures import LEAD_TIME, departures
from flights.features import FEATURES, build_features
from flights.leakage import find_leaks
from flights.weather import observed_weather

Frames = tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]


def test_no_feature_knows_the_future(tables: Tables) -> None:
    assert find_leaks(build_features, tables.flights, tables.weather, tables.planes, instants=25) == []


def own_delay(flights: pd.DataFrame, weather: pd.DataFrame, planes: pd.DataFrame) -> pd.DataFrame:
    return build_features(flights, weather, planes).assign(planted=flights["dep_delay"])


def time_in_the_air(flights: pd.DataFrame, weather: pd.DataFrame, planes: pd.DataFrame) -> pd.DataFrame:
    return build_features(flights, weather, planes).assign(planted=flights["air_time"])


def _at_departure(flights: pd.DataFrame) -> pd.DataFrame:
    fate = departures(flights)
    return fate.assign(predict_at=fate["predict_at"] + LEAD_TIME)


def congestion_at_departure(flights: pd.DataFrame, weather: pd.DataFrame, planes: pd.DataFrame) -> pd.DataFrame:
    late = congestion(_at_departure(flights))["congestion_delay"]
    return build_features(flights, weather, planes).assign(planted=late)


def weather_at_departure(flights: pd.DataFrame, weather: pd.DataFrame, planes: pd.DataFrame) -> pd.DataFrame:
    late = observed_weather(_at_departure(flights), weather)["temp"]
    return build_features(flights, weather, planes).assign(planted=late)


def mean_delay_of_the_day(flights: pd.DataFrame, weather: pd.DataFrame, planes: pd.DataFrame) -> pd.DataFrame:
    mean = flights.groupby(["month", "day", "origin"])["dep_delay"].transform("mean")
    return build_features(flights, weather, planes).assign(planted=mean)


def arrivals_of_departed(flights: pd.DataFrame, weather: pd.DataFrame, planes: pd.DataFrame) -> pd.DataFrame:
    """The subtle one: flights that had left, but by the delay at an arrival that was still to come."""
    fate = departures(flights)
    late = congestion(fate.assign(delay=flights["arr_delay"].fillna(0.0)))["congestion_delay"]
    return build_features(flights, weather, planes).assign(planted=late)


LEAKS = [
    own_delay,
    time_in_the_air,
    congestion_at_departure,
    weather_at_departure,
    mean_delay_of_the_day,
    arrivals_of_departed,
]


@pytest.mark.parametrize("leaky", LEAKS, ids=lambda leaky: leaky.__name__)
def test_a_planted_leak_is_caught_and_named(tables: Tables, leaky: object) -> None:
    columns = (*FEATURES, "planted")
    found = find_leaks(leaky, tables.flights, tables.weather, tables.planes, features=columns)  # type: ignore[arg-type]
    assert found == ["planted"]
