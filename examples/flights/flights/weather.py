"""The weather at the origin, as last observed before the answer was due."""

from __future__ import annotations

import pandas as pd

COLUMNS = ("temp", "wind_speed", "precip", "pressure", "visib")
STALE_AFTER = pd.Timedelta(hours=3)
"""An older observation says nothing about now."""

STRONGEST_WIND_MPH = 253.0
"""The strongest gust ever measured on Earth (Barrow Island, 1996); a higher reading is a broken instrument."""


def observations(weather: pd.DataFrame) -> pd.DataFrame:
    """The table `weather` with `observed_at` (UTC instants) and impossible winds made null."""
    observed_at = pd.to_datetime(weather["time_hour"], utc=True).astype("datetime64[us, UTC]")
    wind = weather["wind_speed"].astype("float64")
    return weather.assign(observed_at=observed_at, wind_speed=wind.where(~is_impossible_wind(weather)))


def is_impossible_wind(weather: pd.DataFrame) -> pd.Series:
    """True where a wind speed cannot have been, such as the 1,048 mph of 12 February 2013."""
    wind = weather["wind_speed"].astype("float64")
    return (wind > STRONGEST_WIND_MPH) | (wind < 0)


def observed_weather(departures: pd.DataFrame, weather: pd.DataFrame) -> pd.DataFrame:
    """For each flight the last observation at its origin at or before `predict_at`, null when there is none or stale.

    Args:
        departures: as `departures.departures` gives them.
        weather: rows of the table `weather`, one per airport and hour.

    Returns:
        `temp` (degrees Fahrenheit), `wind_speed` (mph), `precip` (inches), `pressure` (millibars), `visib` (miles);
        index as given.
    """
    seen = observations(weather)
    right = pd.DataFrame({name: seen[name].astype("float64") for name in COLUMNS})
    right = right.assign(origin=seen["origin"].astype("str"), observed_at=seen["observed_at"])
    left = departures[["origin", "predict_at"]].reset_index(drop=True)
    left = left.assign(row=left.index).sort_values("predict_at", kind="stable")
    joined = pd.merge_asof(
        left,
        right.sort_values("observed_at", kind="stable"),
        left_on="predict_at",
        right_on="observed_at",
        by="origin",
        tolerance=STALE_AFTER,
    )
    return joined.sort_values("row")[list(COLUMNS)].set_axis(departures.index)
