"""What became of each flight, and when it was known.

The rows say everything at once: schedule, departure, arrival. A model that is asked two hours before departure must not
see the rest, so each fact gets here the instant (UTC) from which it was known. The other modules compare instants only.
"""

from __future__ import annotations

from datetime import date
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

NEW_YORK = ZoneInfo("America/New_York")
LEAD_TIME = pd.Timedelta(hours=2)
"""How long before the scheduled departure the answer is given."""

LATE_MINUTES = 15
"""A flight is late when it arrives more than this many minutes after its schedule."""

CANCELLATION_GRACE = pd.Timedelta(minutes=30)
"""The rows do not say when a flight was cancelled; half an hour after its scheduled departure everybody knew."""

TAXI_TIME = pd.Timedelta(hours=4)
"""The rows give the time in the air; taxiing at both ends took less than this for every flight of 2013."""


def to_utc(local: pd.Series) -> pd.Series:
    """New York wall time without a zone, as UTC instants.

    The hour that autumn repeats is read as its first (summer time) pass, and a time in the hour that spring skips as
    the first instant after it; no airline schedules either, but a row may say so.

    Example:
        >>> winter_summer_repeated = ["2013-01-01 05:15", "2013-07-01 05:15", "2013-11-03 01:30"]
        >>> to_utc(pd.Series(pd.to_datetime(winter_summer_repeated))).dt.hour.tolist()
        [10, 9, 5]
    """
    repeated = np.ones(len(local), dtype=bool)
    zoned: pd.Series = local.dt.tz_localize(NEW_YORK, ambiguous=repeated, nonexistent="shift_forward")
    instants: pd.Series = zoned.dt.tz_convert("UTC")
    return instants.astype("datetime64[us, UTC]")


def start_of(day: date) -> pd.Timestamp:
    """The instant at which a day begins in New York, as UTC.

    Example:
        >>> start_of(date(2013, 4, 1)).isoformat()
        '2013-04-01T04:00:00+00:00'
    """
    return pd.Timestamp(day).tz_localize(NEW_YORK).tz_convert("UTC")


def scheduled_at(flights: pd.DataFrame) -> pd.Series:
    """The scheduled departure as a UTC instant, from local `year`, `month`, `day` and `sched_dep_time` (`hhmm`)."""
    clock = flights["sched_dep_time"].astype("int64")
    parts = flights[["year", "month", "day"]].astype("int64")
    return to_utc(pd.to_datetime(parts.assign(hour=clock // 100, minute=clock % 100)))


def flight_id(flights: pd.DataFrame) -> pd.Series:
    """A key that no two flights share, such as `2013-01-01-EWR-UA1545-0515`."""
    number = {name: flights[name].astype("int64").astype("str") for name in ("year", "month", "day", "flight")}
    day = number["year"] + "-" + number["month"].str.zfill(2) + "-" + number["day"].str.zfill(2)
    clock = flights["sched_dep_time"].astype("int64").astype("str").str.zfill(4)
    carrier, origin = flights["carrier"].astype("str"), flights["origin"].astype("str")
    return day + "-" + origin + "-" + carrier + number["flight"] + "-" + clock


def departures(flights: pd.DataFrame) -> pd.DataFrame:
    """One row per flight, in the order and with the index of `flights`.

    Args:
        flights: rows of the table `flights`. A boolean column `is_pending`, where there is one, says which flights had
            neither left nor been cancelled when the rows were read; else a flight without `dep_time` was cancelled.

    Returns:
        Columns `flight_id`, `origin`, `scheduled_at`, `predict_at` (when the answer is due), `known_at` (when the
        departure had happened or the cancellation was known, null while pending), `delay` (minutes at departure, null
        without one), `is_cancelled`, `outcome_at` (when the arrival was known, null when there was none), `label` (1.0
        late, 0.0 not, null when there was no arrival).
    """
    scheduled = scheduled_at(flights)
    delay = flights["dep_delay"].astype("float64")
    is_pending = flights["is_pending"].astype("bool") if "is_pending" in flights else False
    is_cancelled = flights["dep_time"].isna() & ~pd.Series(is_pending, index=flights.index)
    departed = scheduled + pd.to_timedelta(delay, unit="min")
    arrival_delay = flights["arr_delay"].astype("float64")
    outcome = departed + pd.to_timedelta(flights["air_time"].astype("float64"), unit="min") + TAXI_TIME
    return pd.DataFrame(
        {
            "flight_id": flight_id(flights),
            "origin": flights["origin"].astype("str"),
            "scheduled_at": scheduled,
            "predict_at": scheduled - LEAD_TIME,
            "known_at": departed.where(~is_cancelled, scheduled + CANCELLATION_GRACE),
            "delay": delay.where(~is_cancelled),
            "is_cancelled": is_cancelled,
            "outcome_at": outcome.where(arrival_delay.notna()),
            "label": (arrival_delay > LATE_MINUTES).astype("float64").where(arrival_delay.notna()),
        }
    )
