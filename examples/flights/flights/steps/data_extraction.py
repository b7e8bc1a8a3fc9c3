"""Data extraction: the flights, as they could be read on the morning of a day."""

from __future__ import annotations

from datetime import date, timedelta
from typing import NamedTuple

import pandas as pd
import pyarrow as pa

from flights.departures import departures, flight_id, start_of
from flights.features import questions
from tidewheel import StopRun
from tidewheel.pipeline import step


class Extraction(NamedTuple):
    """What was known before a day began.

    `spine` has a row per flight, as `features.questions` gives them; the feature views are joined to it.
    """

    spine: pa.Table
    until: date


@step
def data_extraction(flights: pa.Table, *, until: date | None = None) -> Extraction:
    """Takes from the table what was known before `until` began in New York; the table may hold more.

    A flight that was still in the air has its departure but no arrival; one that had neither left nor been cancelled
    has neither. So the same day gives the same rows, whatever has been ingested since.

    Args:
        flights: the table.
        until: the day; the one after the last that has a flight when none is given.

    Raises:
        StopRun: no day is given and there are no flights.
    """
    rows = flights.to_pandas()
    until = until or _day_after_last(rows)
    known = known_flights(rows, start_of(until))
    return Extraction(spine=pa.Table.from_pandas(questions(known), preserve_index=False), until=until)


def known_flights(flights: pd.DataFrame, end: pd.Timestamp) -> pd.DataFrame:
    """Rows of the flights scheduled before an instant, with what was known of each by then.

    `is_pending` tells a flight that had neither left nor been cancelled from a cancelled one. Of rows about one flight
    the last counts.
    """
    flights = flights[~flight_id(flights).duplicated(keep="last")]
    fate = departures(flights)
    rows = flights.assign(is_pending=~(fate["known_at"] < end))
    is_unknown_arrival = ~(fate["outcome_at"] < end)
    for name in ("dep_time", "dep_delay"):
        rows[name] = rows[name].astype("float64").mask(rows["is_pending"])
    for name in ("arr_time", "arr_delay", "air_time"):
        rows[name] = rows[name].astype("float64").mask(is_unknown_arrival)
    return rows[fate["scheduled_at"] < end].reset_index(drop=True)


def _day_after_last(flights: pd.DataFrame) -> date:
    if flights.empty:
        raise StopRun("the table flights has no rows")
    last = flights.sort_values(["year", "month", "day"]).iloc[-1]
    return date(int(last["year"]), int(last["month"]), int(last["day"])) + timedelta(days=1)
