"""A small made-up airport life, row by row or forty days of it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd


class Tables(NamedTuple):
    flights: pd.DataFrame
    weather: pd.DataFrame
    planes: pd.DataFrame
    airports: pd.DataFrame
    folder: Path = Path()


def flight(**values: object) -> dict[str, object]:
    """One row of `flights`: a flight on 10 June 2013 at 12:00 that left and arrived on time, but for what is given."""
    row: dict[str, object] = {
        "year": 2013,
        "month": 6,
        "day": 10,
        "dep_time": 1200.0,
        "sched_dep_time": 1200,
        "dep_delay": 0.0,
        "arr_time": 1400.0,
        "sched_arr_time": 1400,
        "arr_delay": 0.0,
        "carrier": "UA",
        "flight": 1,
        "tailnum": "N1",
        "origin": "EWR",
        "dest": "ORD",
        "air_time": 100.0,
        "distance": 719,
        **values,
    }
    clock = int(str(row["sched_dep_time"]))
    row |= {"hour": clock // 100, "minute": clock % 100}
    local = pd.Timestamp(int(str(row["year"])), int(str(row["month"])), int(str(row["day"])), clock // 100)
    row.setdefault("time_hour", _utc(local))
    return row


def _utc(local: pd.Timestamp) -> pd.Timestamp:
    return local.tz_localize("America/New_York", ambiguous=True, nonexistent="shift_forward").tz_convert("UTC")


def cancelled(**values: object) -> dict[str, object]:
    """A row of a flight that never left."""
    return flight(**dict.fromkeys(("dep_time", "dep_delay", "arr_time", "arr_delay", "air_time")), **values)


def observation(at: str, **values: object) -> dict[str, object]:
    """One row of `weather` at a UTC time, fine weather at Newark but for what is given."""
    time_hour = pd.Timestamp(at, tz="UTC")
    local = time_hour.tz_convert("America/New_York")
    return {
        "origin": "EWR",
        "year": local.year,
        "month": local.month,
        "day": local.day,
        "hour": local.hour,
        "temp": 60.0,
        "dewp": 40.0,
        "humid": 50.0,
        "wind_dir": 180.0,
        "wind_speed": 10.0,
        "wind_gust": None,
        "precip": 0.0,
        "pressure": 1013.0,
        "visib": 10.0,
        "time_hour": time_hour,
        **values,
    }


def planes() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "tailnum": ["N1", "N2"],
            "year": pd.array([2003, None], dtype="Int64"),
            "type": ["Fixed wing multi engine"] * 2,
            "manufacturer": ["BOEING"] * 2,
            "model": ["737"] * 2,
            "engines": [2, 2],
            "seats": [149, 55],
            "speed": [np.nan] * 2,
            "engine": ["Turbo-fan"] * 2,
        }
    )


def made_up(days: int = 40, seed: int = 0) -> Tables:
    """Days from 1 May on with ninety flights each, bad weather that delays them, cancellations and diversions."""
    random = np.random.default_rng(seed)
    rows, seen = [], []
    for day in pd.date_range("2013-05-01", periods=days):
        storm = random.random() < 0.3
        for origin in ("EWR", "JFK", "LGA"):
            start = (day + pd.Timedelta(hours=4)).isoformat()
            for hour in range(24):
                at = (pd.Timestamp(start) + pd.Timedelta(hours=hour)).isoformat()
                seen.append(
                    observation(at, origin=origin, visib=1.0 if storm else 10.0, temp=float(random.normal(60, 9)))
                )
            for number in range(30):
                rows.append(_random_flight(random, day, origin, number, storm))
    airports = pd.DataFrame({"faa": ["ORD", "EWR", "JFK", "LGA"]})
    return Tables(pd.DataFrame(rows), pd.DataFrame(seen), planes(), airports)


def _random_flight(
    random: np.random.Generator, day: pd.Timestamp, origin: str, number: int, storm: bool
) -> dict[str, object]:
    place = {
        "month": day.month,
        "day": day.day,
        "origin": origin,
        "flight": number,
        "carrier": "UA" if number % 2 else "B6",
    }
    place |= {
        "sched_dep_time": (6 + number // 2) * 100 + int(random.integers(0, 60)),
        "dest": "ORD" if number % 3 else "SJU",
    }
    place["tailnum"] = ("N1", "N2", "N3", None)[number % 4]
    if random.random() < (0.15 if storm else 0.02):
        return cancelled(**place)
    delay = float(round(random.exponential(50 if storm else 8) - 4))
    if random.random() < 0.01:
        return flight(**place, dep_delay=delay, arr_delay=None, air_time=None)
    return flight(**place, dep_delay=delay, arr_delay=delay + float(random.integers(-12, 12)))
