"""Features in a project: declared, joined in a pipeline and in a notebook, looked up online."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

import tidewheel
from small_project import SmallProject
from tidewheel.core.errors import NotFoundError, SchemaMismatchError
from tidewheel.pipeline import features

SOURCE = """
from datetime import timedelta

import pandas as pd
from tidewheel.pipeline import FeatureView, Metrics, OnDemandView, features, pipeline, step, table

weather = FeatureView(
    "weather",
    table="weather",
    keys=["origin"],
    event_time="observed_at",
    created_time="created_at",
    ttl=timedelta(hours=3),
    features={"temp_c": "(temp - 32) / 1.8", "wind": "wind"},
    owner="operations",
    description="the air at an airport",
)
comfort = OnDemandView("comfort", inputs={"miles": "double"}, features={"chill": "temp_c - wind * miles / 100"})


@step
def late_flights(flights: pd.DataFrame) -> pd.DataFrame:
    return flights[flights["miles"] > 0]


@step
def count(rows: pd.DataFrame) -> Metrics:
    return Metrics(rows=len(rows), known=int(rows["temp_c"].notna().sum()))


@pipeline
def training():
    rows = features.join(late_flights(table("flights")), [weather, comfort], event_time="at", as_known="at")
    return {"rows": rows, "metrics": count(rows)}
"""
START = datetime(2026, 3, 8, 5, tzinfo=UTC)


def hours(*numbers: float) -> list[datetime]:
    return [START + timedelta(hours=number) for number in numbers]


FLIGHTS = pd.DataFrame(
    {"origin": ["JFK", "LGA", "JFK", "JFK", None], "at": hours(2.5, 1, 0.5, 6, 1), "miles": [100.0, 50, 50, 10, 1]}
)
WEATHER = pd.DataFrame(
    {
        "origin": ["JFK", "JFK", "LGA", "JFK"],
        "observed_at": hours(0, 2, 1, 2),
        "created_at": hours(0, 2, 2, 8),
        "temp": [50.0, 68.0, 32.0, 212.0],
        "wind": [5.0, 10.0, 0.0, 0.0],
    }
)


@pytest.fixture
def project(tmp_path):
    small = SmallProject(tmp_path, SOURCE)
    (tmp_path / "factors.py").unlink()
    FLIGHTS.to_parquet(tmp_path / "flights.parquet")
    WEATHER.to_parquet(tmp_path / "weather.parquet")
    with tidewheel.open(tmp_path) as workspace:
        workspace.ingest("flights", [tmp_path / "flights.parquet"])
        workspace.ingest("weather", [tmp_path / "weather.parquet"])
        small.workspace = workspace
        yield small


def values(table, name):
    return [None if one is None else round(one, 9) for one in table.column(name).to_pylist()]


def test_a_join_in_a_pipeline_is_pinned_recorded_and_reused(project):
    run = project.workspace.submit("training")
    assert run.status == "succeeded", run.reason
    joined = run["features"]
    table = joined.outputs["output"].load()
    assert values(table, "temp_c") == [20.0, None, 10.0, None, None]
    assert values(table, "chill") == [10.0, None, 7.5, None, None]
    report = joined.outputs["report"].load()
    assert [one["look_ahead"] for one in report["views"]] == ["excluded"]
    assert (report["views"][0]["matched"], report["views"][0]["expired"], report["views"][0]["missing"]) == (2, 1, 2)
    again = project.workspace.submit("training")
    assert again["features"].status == "cached"
    later = WEATHER.assign(temp=0.0, observed_at=hours(2, 2, 2, 2), created_at=hours(2.4, 2.4, 2.4, 2.4))
    later.to_parquet(project.folder / "later.parquet")
    project.workspace.ingest("weather", [project.folder / "later.parquet"])
    fresh = project.workspace.submit("training")
    assert fresh["features"].status == "succeeded"
    assert values(fresh["features"].outputs["output"].load(), "temp_c")[0] == round(-32 / 1.8, 9)


def test_the_same_join_in_a_notebook_gives_the_same_bytes_from_the_same_snapshot(project):
    run = project.workspace.submit("training")
    joined = run["features"].outputs["output"].load()
    snapshot = project.workspace.snapshots("weather")[-1].snapshot_id
    WEATHER.assign(temp=0.0).to_parquet(project.folder / "later.parquet")
    project.workspace.ingest("weather", [project.folder / "later.parquet"])
    spine = run["late_flights"].outputs["output"].load()
    again = features.join(
        spine, ["weather", "comfort"], event_time="at", as_known="at", snapshots={"weather": snapshot}
    )
    assert again.drop_columns([]).equals(joined)
    assert json.loads(again.schema.metadata[b"tidewheel.features"])["views"][0]["snapshot_id"] == str(snapshot)


def test_without_an_as_known_time_the_report_counts_what_looked_ahead(project):
    table = features.join(FLIGHTS, ["weather"], event_time="at")
    report = json.loads(table.schema.metadata[b"tidewheel.features"])["views"][0]
    assert (report["look_ahead"], report["created_later"]) == ("possible", 2)


def test_wrong_names_are_told_with_near_ones(project):
    with pytest.raises(NotFoundError, match="did you mean 'weather'"):
        features.join(FLIGHTS, ["wether"], event_time="at")
    with pytest.raises(SchemaMismatchError, match="column 'when' is missing"):
        features.join(FLIGHTS, ["weather"], event_time="when")
    with pytest.raises(NotFoundError, match="'wether' does not exist"):
        features.join(FLIGHTS, ["weather"], event_time="at", snapshots={"wether": 1})
    with pytest.raises(NotFoundError, match="snapshot '1' does not exist"):
        features.join(FLIGHTS, ["weather"], event_time="at", snapshots={"weather": 1})


def test_a_spine_from_pandas_and_from_a_snapshot_are_the_same(project):
    by_frame = features.join(FLIGHTS, ["weather"], event_time="at")
    by_reader = features.join(project.workspace.table("flights"), ["weather"], event_time="at")
    assert by_frame.column("temp_c").equals(by_reader.column("temp_c"))


def test_the_command_line_lists_searches_shows_and_materializes(project):
    listed = json.loads(project.tidewheel("features", "list", "--json"))
    assert [one["name"] for one in listed["views"]] == ["comfort", "weather"]
    assert "weather" in project.tidewheel("features", "list")
    assert "weather:wind" in project.tidewheel("features", "search", "airport", "wind")
    assert "not yet" in project.tidewheel("features", "show", "weather")
    assert "did you mean 'weather'" in project.tidewheel("features", "show", "wether", code=3)
    done = json.loads(project.tidewheel("features", "materialize", "--json"))
    assert [(one["view"], one["rows"], one["files"]) for one in done] == [("weather", 2, 1)]
    again = json.loads(project.tidewheel("features", "materialize", "weather", "--json"))
    assert [(one["rows"], one["files_skipped"]) for one in again] == [(0, 1)]
    assert "not yet" not in project.tidewheel("features", "show", "weather")
    assert "did you mean" in project.tidewheel("features", "materialize", "wether", code=3)


def test_what_is_online_is_what_the_join_finds(project):
    workspace = project.workspace
    workspace.features.materialize()
    at = START + timedelta(hours=4)
    found = workspace.features.get_online(
        ["weather", "comfort"], {"origin": ["JFK", "LGA", "SFO"]}, request={"miles": [100.0, 50.0, 1.0]}, at=at
    )
    spine = pd.DataFrame({"origin": ["JFK", "LGA", "SFO"], "miles": [100.0, 50.0, 1.0], "at": [at] * 3})
    joined = features.join(spine, ["weather", "comfort"], event_time="at")
    assert found == {name: joined.column(name).to_pylist() for name in ("temp_c", "wind", "chill")}
    assert found["temp_c"] == [100.0, 0.0, None]
    assert [run.record.pipeline for run in workspace.runs(pipeline="materialize")] == ["materialize"]
