"""The features that come from views, against pandas and against single rows that a person can check."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa
import pytest
from airport_life import Tables, flight, observation, planes
from flights.features import questions, with_features

from conftest import ingest
from tidewheel.workspace import Workspace

WEATHER = ["temp", "wind_speed", "precip", "pressure", "visib"]
ASKED = flight(sched_dep_time=1400)  # its answer is due at 16:00 UTC


@pytest.fixture(scope="module")
def answered(project: Workspace, tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """One flight from each airport: LGA's observation is fresh, JFK's a minute late, EWR's older than three hours."""
    seen = [
        *(observation(f"2013-06-10 {hour}:00", origin="LGA", temp=float(hour)) for hour in (17, 15, 16, 14)),
        observation("2013-06-10 16:01", origin="JFK"),
        observation("2013-06-10 12:59", origin="EWR"),
    ]
    folder = tmp_path_factory.mktemp("rows")
    ingest(project, "weather", pd.DataFrame(seen), folder)
    ingest(project, "planes", planes(), folder)
    origins = {"LGA": "N1", "JFK": "N2", "EWR": "N3"}
    rows = [ASKED | {"origin": origin, "tailnum": tail} for origin, tail in origins.items()]
    rows.append(ASKED | {"flight": 2, "tailnum": None})
    asked = pd.DataFrame(rows)
    return with_features(questions(asked))


def test_the_last_observation_before_the_answer_is_due_is_taken_if_it_is_fresh(answered: pd.DataFrame) -> None:
    assert answered["temp"].tolist()[0] == 16.0
    assert answered["temp"].isna().tolist() == [False, True, True, True]


def test_planes_are_found_by_tail_number_and_missing_ones_are_null(answered: pd.DataFrame) -> None:
    assert answered["plane_age"].fillna(-1).tolist() == [10, -1, -1, -1]
    assert answered["plane_seats"].fillna(-1).tolist() == [149, 55, -1, -1]


def test_the_schedule_is_told_on_new_yorks_clocks(answered: pd.DataFrame) -> None:
    assert answered[["month", "weekday", "hour"]].drop_duplicates().to_numpy().tolist() == [[6, 0, 14]]


def test_the_join_finds_what_pandas_finds(tables: Tables, joined: pa.Table) -> None:
    rows = joined.to_pandas()
    known = tables.weather.assign(observed_at=tables.weather["time_hour"].astype("datetime64[us, UTC]"))
    left = rows[["flight_id", "origin", "predict_at"]].sort_values("predict_at", kind="stable")
    expected = pd.merge_asof(
        left,
        known.sort_values("observed_at")[["origin", "observed_at", *WEATHER]],
        left_on="predict_at",
        right_on="observed_at",
        by="origin",
        tolerance=pd.Timedelta(hours=3),
    )
    pd.testing.assert_frame_equal(
        rows.set_index("flight_id")[WEATHER].sort_index(), expected.set_index("flight_id")[WEATHER].sort_index()
    )
