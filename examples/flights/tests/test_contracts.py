"""What the contracts let in, hold back, and stop."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from airport_life import flight, observation, planes

from conftest import ingest
from tidewheel.core.errors import TidewheelError
from tidewheel.workspace import Workspace

SPOILED = {
    "sched_dep_time": 1275,
    "distance": -719,
    "dest": "EWR",
    "month": 13,
    "dep_time": None,
    "time_hour": "2013-06-10T17:00:00Z",
}


def flights(*rows: dict[str, object]) -> pd.DataFrame:
    return pd.DataFrame([flight(flight=number) | row for number, row in enumerate(rows)])


def test_rows_that_cannot_be_are_held_back_and_the_others_go_in(project: Workspace, tmp_path: Path) -> None:
    rows = flights({}, *({column: value} for column, value in SPOILED.items()))
    ingest(project, "flights", pd.concat([rows, rows.head(1)]), tmp_path)
    assert project.table("flights").to_pandas()["flight"].tolist() == [0]
    held = project.sql("select count(*) as n from quarantine.flights").to_pylist()
    assert held == [{"n": len(SPOILED) + 1}]


def test_an_impossible_wind_never_reaches_the_table(project: Workspace, tmp_path: Path) -> None:
    seen = [observation("2013-02-12 08:00", wind_speed=1048.36), observation("2013-02-12 09:00")]
    ingest(project, "weather", pd.DataFrame(seen), tmp_path)
    assert project.table("weather").to_pandas()["wind_speed"].tolist() == [10.0]


SKEWS = {
    "dep_delay": lambda rows: rows.rename(columns={"dep_delay": "departure_delay"}),
    "gate": lambda rows: rows.assign(gate="A1"),
    "distance": lambda rows: rows.assign(distance="far"),
    "origin": lambda rows: rows.assign(origin="PHL"),
    "carrier": lambda rows: rows.assign(carrier="ZZ"),
}


@pytest.mark.parametrize("name", SKEWS)
def test_a_batch_that_means_something_else_stops_and_names_the_column(
    project: Workspace, tmp_path: Path, name: str
) -> None:
    before = project.snapshots("flights")
    assert before
    with pytest.raises(TidewheelError, match=name):
        ingest(project, "flights", SKEWS[name](flights({"day": 11}, {"day": 11})), tmp_path)
    assert project.snapshots("flights") == before


def test_planes_have_one_row_each(project: Workspace, tmp_path: Path) -> None:
    ingest(project, "planes", pd.concat([planes(), planes().head(1)]), tmp_path)
    assert project.table("planes").to_pandas()["tailnum"].tolist() == ["N1", "N2"]
