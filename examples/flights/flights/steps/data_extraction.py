"""Data extraction: the rows, as they could be read on the morning of a day."""

from __future__ import annotations

from datetime import date, timedelta
from typing import NamedTuple

import pandas as pd
import pyarrow as pa

from flights.contract import skew_findings
from flights.departures import departures, start_of
from flights.weather import observations
from tidewheel import StopRun
from tidewheel.pipeline import step


class Extraction(NamedTuple):
    """What was known before a day began."""

    flights: pd.DataFrame
    weather: pd.DataFrame
    planes: pd.DataFrame
    until: date


@step
def data_extraction(flights: pa.Table, weather: pa.Table, planes: pa.Table, *, until: date | None = None) -> Extraction:
    """Takes from the tables what was known before `until` began in New York; the tables may hold more.

    A flight that was still in the air has its departure but no arrival; one that had neither left nor been cancelled
    has neither, and `is_pending` tells it from a cancelled one. So the same day gives the same rows, whatever has been
    ingested since.

    Args:
        flights, weather, planes: the tables; planes are taken whole.
        until: the day; the one after the last that has a flight when none is given.

    Raises:
        StopRun: a column is missing, unexpected or of another kind, so that nothing can be placed in time, or
            no day is given and there are no flights.
    """
    frames = {"flights": flights.to_pandas(), "weather": weather.to_pandas(), "planes": planes.to_pandas()}
    findings = skew_findings(frames)
    if findings:
        raise StopRun("the tables are not as expected: " + "; ".join(findings))
    until = until or _day_after_last(frames["flights"])
    end = start_of(until)
    return Extraction(
        flights=_known_flights(frames["flights"], end),
        weather=_known_weather(frames["weather"], end),
        planes=frames["planes"],
        until=until,
    )


def _day_after_last(flights: pd.DataFrame) -> date:
    if flights.empty:
        raise StopRun("the table flights has no rows")
    last = flights.sort_values(["year", "month", "day"]).iloc[-1]
    return date(int(last["year"]), int(last["month"]), int(last["day"])) + timedelta(days=1)


def _known_flights(flights: pd.DataFrame, end: pd.Timestamp) -> pd.DataFrame:
    fate = departures(flights)
    rows = flights.assign(is_pending=~(fate["known_at"] < end))
    is_unknown_arrival = ~(fate["outcome_at"] < end)
    for name in ("dep_time", "dep_delay"):
        rows[name] = rows[name].astype("float64").mask(rows["is_pending"])
    for name in ("arr_time", "arr_delay", "air_time"):
        rows[name] = rows[name].astype("float64").mask(is_unknown_arrival)
    return rows[fate["scheduled_at"] < end].reset_index(drop=True)


def _known_weather(weather: pd.DataFrame, end: pd.Timestamp) -> pd.DataFrame:
    return weather[observations(weather)["observed_at"] < end].reset_index(drop=True)
