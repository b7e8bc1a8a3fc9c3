"""Data validation: stops the run when the data means something else, counts what is merely dirty."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
import pyarrow as pa

from flights.aircraft import tail_numbers
from flights.contract import domain_findings, skew_findings
from flights.departures import departures, flight_id
from flights.weather import is_impossible_wind
from tidewheel import StopRun
from tidewheel.pipeline import step


@dataclass(frozen=True)
class ValidationReport:
    """The dirt, counted; what becomes of each is said beside it.

    Attributes:
        flights: rows looked at.
        repeated_flights: rows whose flight was there before; the last one counts.
        pending: neither left nor cancelled when the rows were read; no label.
        cancelled: never left; no label, but they tell of the airport's congestion.
        without_arrival_delay: of those not pending, the cancelled, the diverted and those still in the air; no label.
        without_tail_number: the source names no plane; its age and seats are null.
        without_plane: the tail number is missing or not in `planes`; age and seats are null.
        without_plane_share: the same as a share 0..1 of the flights.
        destinations_without_airport: not in `airports`; no feature needs it.
        clock_disagreements: the local schedule, read as New York time, is not in the hour that `time_hour` says.
        impossible_winds: observations whose wind speed is made null.
        strongest_impossible_wind_mph: the highest of them; 0 when there is none.
    """

    flights: int
    repeated_flights: int
    pending: int
    cancelled: int
    without_arrival_delay: int
    without_tail_number: int
    without_plane: int
    without_plane_share: float
    destinations_without_airport: list[str]
    clock_disagreements: int
    impossible_winds: int
    strongest_impossible_wind_mph: float


@step
def data_validation(
    flights: pd.DataFrame, weather: pd.DataFrame, planes: pd.DataFrame, airports: pa.Table
) -> ValidationReport:
    """Checks schema and meaning, and counts value problems.

    Args:
        flights, weather, planes: as extracted.
        airports: the table of places, by `faa` code.

    Raises:
        StopRun: there are no flights, a column is missing, unexpected or of another kind, or a value stands for
            something unheard of, such as another airport. The reason lists every finding.
    """
    findings = skew_findings(
        {"flights": flights.drop(columns="is_pending", errors="ignore"), "weather": weather, "planes": planes}
    )
    if not findings:
        findings = domain_findings(flights, weather) if len(flights) else ["flights has no rows"]
    if findings:
        raise StopRun("the data is not what the model is about: " + "; ".join(findings))
    return _count(flights, weather, planes, airports)


def _count(flights: pd.DataFrame, weather: pd.DataFrame, planes: pd.DataFrame, airports: pa.Table) -> ValidationReport:
    fate = departures(flights)
    is_pending = ~fate["is_cancelled"] & fate["known_at"].isna()
    tails = tail_numbers(flights)
    has_plane = tails.isin(planes["tailnum"])
    places = set(airports.column("faa").to_pylist())
    hour = pd.to_datetime(flights["time_hour"], utc=True)
    impossible = weather["wind_speed"][is_impossible_wind(weather)]
    return ValidationReport(
        flights=len(flights),
        repeated_flights=int(flight_id(flights).duplicated().sum()),
        pending=int(is_pending.sum()),
        cancelled=int(fate["is_cancelled"].sum()),
        without_arrival_delay=int((flights["arr_delay"].isna() & ~is_pending).sum()),
        without_tail_number=int(tails.isna().sum()),
        without_plane=int((~has_plane).sum()),
        without_plane_share=float((~has_plane).mean()),
        destinations_without_airport=sorted(set(flights["dest"].unique()) - places),
        clock_disagreements=int((fate["scheduled_at"].dt.floor("h") != hour).sum()),
        impossible_winds=len(impossible),
        strongest_impossible_wind_mph=float(impossible.max()) if len(impossible) else 0.0,
    )
