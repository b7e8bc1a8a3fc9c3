from __future__ import annotations

from datetime import date
from itertools import pairwise

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from airport_life import Tables, flight
from flights.departures import start_of
from flights.features import FEATURES
from flights.steps.data_extraction import data_extraction, known_flights
from flights.steps.data_preparation import Splits, data_preparation

from tidewheel import StopRun

UNTIL = date(2013, 6, 8)


def extract(flights: pd.DataFrame, until: date | None = UNTIL) -> pd.DataFrame:
    return data_extraction(pa.Table.from_pandas(flights, preserve_index=False), until=until).spine.to_pandas()


def prepare(joined: pa.Table, **parameters: int) -> Splits:
    return data_preparation(joined, UNTIL, **parameters)


def test_extraction_takes_only_what_was_known_by_the_day() -> None:
    rows = [
        flight(month=6, day=7, sched_dep_time=900),
        flight(flight=2, month=6, day=7, sched_dep_time=2300, dep_delay=20.0),
        flight(flight=3, month=6, day=7, sched_dep_time=2300, dep_delay=90.0),
        flight(flight=4, month=6, day=8, sched_dep_time=10),
    ]
    known = known_flights(pd.DataFrame(rows), start_of(UNTIL))
    assert known["flight"].tolist() == [1, 2, 3]
    assert known["dep_delay"].isna().tolist() == [False, False, True]
    assert known["arr_delay"].isna().tolist() == [False, True, True]
    assert known["is_pending"].tolist() == [False, False, True]
    assert extract(pd.DataFrame(rows))["label"].isna().tolist() == [False, True, True]


def test_without_a_day_everything_up_to_the_last_flight_is_taken(tables: Tables) -> None:
    flights = pa.Table.from_pandas(tables.flights, preserve_index=False)
    known = data_extraction(flights)
    assert known.until == date(2013, 6, 10)
    assert known.spine.num_rows == len(tables.flights)
    with pytest.raises(StopRun, match="no rows"):
        data_extraction(flights.slice(0, 0))


def test_rows_that_came_later_do_not_change_what_an_earlier_day_sees(tables: Tables) -> None:
    later = tables.flights["month"] * 100 + tables.flights["day"] >= 608
    pd.testing.assert_frame_equal(extract(tables.flights), extract(tables.flights[~later]))


def test_a_row_that_was_ingested_twice_counts_once(tables: Tables) -> None:
    doubled = pd.concat([tables.flights.head(50), tables.flights], ignore_index=True)
    pd.testing.assert_frame_equal(extract(doubled), extract(tables.flights))


def test_splits_follow_time_and_share_no_flight(joined: pa.Table) -> None:
    splits = prepare(joined, test_days=10, validation_days=5)
    parts = splits[:3]
    for earlier, later in pairwise(parts):
        assert earlier["scheduled_at"].max() < later["scheduled_at"].min()
    ids = pd.concat([part["flight_id"] for part in parts])
    assert ids.is_unique
    assert (splits.test["day"].min(), splits.test["day"].max()) == ("2013-05-29", "2013-06-07")
    assert splits.validation["day"].nunique() == 5
    assert splits.train["label"].isin([0, 1]).all()
    assert list(splits.sample.columns) == list(FEATURES)


def test_a_window_limits_how_far_back_training_looks(joined: pa.Table) -> None:
    splits = prepare(joined, test_days=10, validation_days=5, window_days=8)
    assert splits.train["day"].nunique() == 8


def test_too_little_history_stops_the_run(joined: pa.Table) -> None:
    with pytest.raises(StopRun, match="no flights that arrived are left for train"):
        prepare(joined, test_days=30, validation_days=20)


def test_labels_that_are_all_alike_stop_the_run(joined: pa.Table) -> None:
    on_time = pc.if_else(pc.is_valid(joined["label"]), 0.0, None)
    with pytest.raises(StopRun, match="nothing to learn"):
        prepare(joined.set_column(joined.column_names.index("label"), "label", on_time))
