from __future__ import annotations

from datetime import date
from itertools import pairwise

import pandas as pd
import pyarrow as pa
import pytest
from airport_life import Tables, flight, observation
from flights.departures import start_of
from flights.features import FEATURES
from flights.steps.data_analysis import data_analysis
from flights.steps.data_extraction import Extraction, data_extraction
from flights.steps.data_preparation import Splits, data_preparation
from flights.steps.data_validation import ValidationReport, data_validation

from tidewheel import StopRun

UNTIL = date(2013, 6, 8)


def extract(tables: Tables, until: date = UNTIL) -> Extraction:
    flights, weather, planes = (pa.Table.from_pandas(rows, preserve_index=False) for rows in tables[:3])
    return data_extraction(flights, weather, planes, until=until)


def validate(tables: Tables) -> ValidationReport:
    return data_validation(*tables[:3], pa.Table.from_pandas(tables.airports))


def prepare(tables: Tables, **parameters: int) -> Splits:
    return data_preparation(*extract(tables), **parameters)


def test_extraction_takes_only_what_was_known_by_the_day(tables: Tables) -> None:
    end = start_of(UNTIL)
    known = extract(tables)
    rows = [
        flight(month=6, day=7, sched_dep_time=900),
        flight(flight=2, month=6, day=7, sched_dep_time=2300, dep_delay=20.0),
        flight(flight=3, month=6, day=7, sched_dep_time=2300, dep_delay=90.0),
        flight(flight=4, month=6, day=8, sched_dep_time=10),
    ]
    few = extract(tables._replace(flights=pd.DataFrame(rows))).flights
    assert few["flight"].tolist() == [1, 2, 3]
    assert few["dep_delay"].isna().tolist() == [False, False, True]
    assert few["arr_delay"].isna().tolist() == [False, True, True]
    assert few["is_pending"].tolist() == [False, False, True]
    assert pd.to_datetime(known.weather["time_hour"], utc=True).max() < end


def test_without_a_day_everything_up_to_the_last_flight_is_taken(tables: Tables) -> None:
    flights, weather, planes = (pa.Table.from_pandas(rows, preserve_index=False) for rows in tables[:3])
    known = data_extraction(flights, weather, planes)
    assert known.until == date(2013, 6, 10)
    assert len(known.flights) == len(tables.flights)
    with pytest.raises(StopRun, match="no rows"):
        data_extraction(flights.slice(0, 0), weather, planes)


def test_rows_that_came_later_do_not_change_what_an_earlier_day_sees(tables: Tables) -> None:
    later = tables.flights["month"] * 100 + tables.flights["day"] >= 608
    before = extract(tables._replace(flights=tables.flights[~later]))
    pd.testing.assert_frame_equal(extract(tables).flights, before.flights)


def test_validation_counts_the_dirt(tables: Tables) -> None:
    flights = pd.concat([tables.flights, tables.flights.head(1)], ignore_index=True)
    wind = observation("2013-05-02 12:00", wind_speed=1048.0)
    report = validate(tables._replace(flights=flights, weather=pd.concat([tables.weather, pd.DataFrame([wind])])))
    assert report.flights == len(flights)
    assert report.repeated_flights == 1
    assert report.cancelled == int(flights["dep_time"].isna().sum()) > 0
    assert report.without_arrival_delay == int(flights["arr_delay"].isna().sum()) > report.cancelled
    assert report.without_plane_share == pytest.approx(0.466, abs=0.01)
    assert report.destinations_without_airport == ["SJU"]
    assert (report.impossible_winds, report.strongest_impossible_wind_mph) == (1, 1048.0)
    assert report.clock_disagreements == 0
    assert report.pending == 0


def test_a_schedule_that_disagrees_with_its_utc_hour_is_counted(tables: Tables) -> None:
    flights = tables.flights.copy()
    flights.loc[3, "time_hour"] += pd.Timedelta(hours=1)
    assert validate(tables._replace(flights=flights)).clock_disagreements == 1


SKEWS = {
    "lacks column 'dep_delay'": lambda rows: rows.drop(columns="dep_delay"),
    "unexpected column 'gate'": lambda rows: rows.assign(gate="A1"),
    "flights.distance should hold wholes": lambda rows: rows.assign(distance="far"),
    "flights.hour should hold wholes, but some have a fraction": lambda rows: rows.assign(hour=6.5),
    "flights.arr_delay should hold numbers": lambda rows: rows.assign(arr_delay="late"),
    "flights.origin should hold texts": lambda rows: rows.assign(origin=1),
    "flights.time_hour should hold instants": lambda rows: rows.assign(time_hour="noon"),
    "flights.month should hold wholes, but 3 of": lambda rows: rows.assign(month=rows["month"].where(rows.index > 2)),
}


@pytest.mark.parametrize("finding", SKEWS)
def test_schema_skew_stops_the_run_in_words(tables: Tables, finding: str) -> None:
    skewed = tables._replace(flights=SKEWS[finding](tables.flights))
    with pytest.raises(StopRun) as stop:
        validate(skewed)
    assert finding in stop.value.reason
    with pytest.raises(StopRun) as stop:
        extract(skewed)
    assert finding in stop.value.reason


def test_every_finding_is_told_at_once(tables: Tables) -> None:
    skewed = tables._replace(
        flights=tables.flights.drop(columns=["carrier", "dest"]), weather=tables.weather.assign(smog=1.0)
    )
    with pytest.raises(StopRun) as stop:
        validate(skewed)
    assert [word in stop.value.reason for word in ("'carrier'", "'dest'", "'smog'")] == [True] * 3


@pytest.mark.parametrize(
    ("column", "value", "finding"),
    [
        ("origin", "PHL", "unknown origin 'PHL'"),
        ("carrier", "ZZ", "unknown carrier 'ZZ'"),
        ("sched_dep_time", 1275, "1 rows whose sched_dep_time"),
        ("sched_dep_time", 2400, "1 rows whose sched_dep_time"),
    ],
)
def test_values_that_mean_something_else_stop_the_run(tables: Tables, column: str, value: object, finding: str) -> None:
    flights = tables.flights.copy()
    flights.loc[7, column] = value
    with pytest.raises(StopRun) as stop:
        validate(tables._replace(flights=flights))
    assert finding in stop.value.reason


def test_a_table_without_rows_stops_the_run(tables: Tables) -> None:
    with pytest.raises(StopRun, match="no rows"):
        validate(tables._replace(flights=tables.flights.head(0)))


def test_analysis_gives_shares_and_a_picture(tables: Tables) -> None:
    analysis = data_analysis(tables.flights, tables.weather)
    assert analysis.summary["first_day"] == "2013-05-01"
    assert 0 < analysis.summary["late_share"] < 1
    assert list(analysis.summary["late_share_by"]["origin"]) == ["EWR", "JFK", "LGA"]
    assert len(analysis.figure.axes) == 2


def test_splits_follow_time_and_share_no_flight(tables: Tables) -> None:
    splits = prepare(tables, test_days=10, validation_days=5)
    parts = splits[:3]
    for earlier, later in pairwise(parts):
        assert earlier["scheduled_at"].max() < later["scheduled_at"].min()
    ids = pd.concat([part["flight_id"] for part in parts])
    assert ids.is_unique
    assert (splits.test["day"].min(), splits.test["day"].max()) == ("2013-05-29", "2013-06-07")
    assert splits.validation["day"].nunique() == 5
    assert splits.train["label"].isin([0, 1]).all()
    assert list(splits.sample.columns) == list(FEATURES)


def test_a_window_limits_how_far_back_training_looks(tables: Tables) -> None:
    splits = prepare(tables, test_days=10, validation_days=5, window_days=8)
    assert splits.train["day"].nunique() == 8


def test_a_row_that_was_ingested_twice_counts_once(tables: Tables) -> None:
    doubled = tables._replace(flights=pd.concat([tables.flights, tables.flights.head(50)], ignore_index=True))
    pd.testing.assert_frame_equal(prepare(doubled).train, prepare(tables).train)


def test_too_little_history_stops_the_run(tables: Tables) -> None:
    with pytest.raises(StopRun, match="no flights that arrived are left for train"):
        prepare(tables, test_days=30, validation_days=20)


def test_labels_that_are_all_alike_stop_the_run(tables: Tables) -> None:
    flights = tables.flights.assign(
        arr_delay=tables.flights["arr_delay"].where(tables.flights["arr_delay"].isna(), 0.0)
    )
    with pytest.raises(StopRun, match="nothing to learn"):
        prepare(tables._replace(flights=flights))
