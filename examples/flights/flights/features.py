"""The features, which are also the endpoint's signature, from the three tables."""

from __future__ import annotations

import pandas as pd

from flights import aircraft, congestion, weather
from flights.departures import NEW_YORK, departures

CATEGORICAL = ("carrier", "origin", "dest")
SCHEDULE = ("month", "weekday", "hour", *CATEGORICAL, "distance")
FEATURES = (*SCHEDULE, *weather.COLUMNS, *congestion.COLUMNS, *aircraft.COLUMNS)
KEYS = ("flight_id", "scheduled_at", "outcome_at", "label")


def schedule(flights: pd.DataFrame, known: pd.DataFrame) -> pd.DataFrame:
    """What the timetable says: local `month` (1..12), `weekday` (Monday is 0) and `hour`, who, whence, where, miles."""
    local = known["scheduled_at"].dt.tz_convert(NEW_YORK)
    names = {name: flights[name].astype("object").astype("str") for name in CATEGORICAL}
    return pd.DataFrame(
        {
            "month": local.dt.month.astype("int64"),
            "weekday": local.dt.day_of_week.astype("int64"),
            "hour": local.dt.hour.astype("int64"),
            **names,
            "distance": flights["distance"].astype("float64"),
        }
    )


def build_features(flights: pd.DataFrame, observed: pd.DataFrame, planes: pd.DataFrame) -> pd.DataFrame:
    """One row per flight: its key, its label, and the features as they were known two hours before departure.

    Args:
        flights: rows of the table `flights`; all of an airport's rows, since the others make its congestion.
        observed: rows of the table `weather`.
        planes: rows of the table `planes`.

    Returns:
        `KEYS` and `FEATURES`, in the order and with the index of `flights`; `label` is null for a flight that did not
        arrive. Text columns are plain text: `as_categories` prepares them for LightGBM.
    """
    known = departures(flights)
    parts = [
        known[list(KEYS)],
        schedule(flights, known),
        weather.observed_weather(known, observed),
        congestion.congestion(known),
        aircraft.aircraft(flights, planes),
    ]
    return pd.concat(parts, axis=1)[[*KEYS, *FEATURES]]


def as_categories(rows: pd.DataFrame) -> pd.DataFrame:
    """The features alone, text columns as pandas categories, which LightGBM takes as they are.

    The model remembers the categories that it was trained on; one that it never saw counts as missing.
    """
    return rows[list(FEATURES)].astype(dict.fromkeys(CATEGORICAL, "category"))
