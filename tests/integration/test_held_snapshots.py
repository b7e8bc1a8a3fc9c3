"""What a version was made from outlives maintenance, and the version can be made again from it."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest

from small_project import SmallProject
from tidewheel.core.clock import utc_now
from tidewheel.core.errors import ProtectedError
from tidewheel.workspace.held_snapshots import snapshots_of_versions
from tidewheel.workspace.maintenance import maintain

SOURCE = """
import pandas as pd
from sklearn.linear_model import LinearRegression

from tidewheel.pipeline import FeatureView, Model, features, pipeline, reference, sql, step, table
from tidewheel.steps.model_packaging import model_packaging
from tidewheel.steps.reference import Reference

weather = FeatureView("weather", table="weather", keys=["place"], event_time="at", ttl=None, features={"warm": "temp"})


@step
def rows_for(joined: pd.DataFrame, past: Reference, before: pd.DataFrame, held_out: pd.DataFrame) -> pd.DataFrame:
    assert len(past.rows.to_arrow()) == past.source.row_count
    seen = joined[["value", "warm"]].rename(columns={"warm": "temp"})
    return pd.concat([seen, before[["value", "temp"]], held_out]).fillna(0.0)


@step
def train(rows: pd.DataFrame) -> LinearRegression:
    return LinearRegression().fit(rows[["value"]], rows["temp"])


@step
def sample(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[["value"]]


@pipeline
def training(*, before: str = ""):
    joined = features.join(table("readings"), [weather], event_time="at")
    rows = rows_for(
        joined,
        reference("readings", model="warmth"),
        table("readings", as_of=before),
        sql("select value, temp from tests"),
    )
    return {"package": model_packaging(train(rows), sample(rows))}


warmth = Model("warmth", pipeline=training)
"""
KINDS = {"readings", "weather", "tests"}


def rows(seed, count=50):
    random = np.random.default_rng(seed)
    at = pa.array(np.datetime64("2024-01-01T00:00:00", "us") + np.arange(count).astype("timedelta64[h]"))
    return pa.table(
        {
            "place": ["a"] * count,
            "at": at.cast(pa.timestamp("us", "UTC")),
            "value": random.normal(0, 1, count),
            "temp": random.normal(10, 1, count),
        }
    )


@pytest.fixture
def project(tmp_path):
    project = SmallProject(tmp_path / "project", SOURCE)
    (project.folder / "tidewheel.toml").write_text(
        '[project]\nname = "small"\nmodules = ["small"]\n[mlflow]\nis_enabled = false\n'
        "[tables]\nkeep_snapshots = 1\nkeep_days = 0\nmin_files = 2\n"
    )
    with project.open() as workspace:
        for seed, name in enumerate(sorted(KINDS)):
            workspace.stores.tables.create(name, rows(seed))
    return project


def lose_pins(stores):
    """As if more time than they last had gone by."""
    for pin in stores.pins.list():
        stores.pins.renew(pin.run_id, utc_now() - timedelta(days=1))


def kept(stores):
    return {(table, one.snapshot_id) for table in KINDS for one in stores.tables.snapshots(table)}


def train_and_forget(project):
    """A version of snapshots that are all in the past, after maintenance; its run."""
    with project.open() as workspace:
        tables = workspace.stores.tables
        tables.append("readings", rows(10))  # the reference is the first snapshot, this is the one `before`
        before = utc_now().isoformat()
        for name in KINDS:
            tables.append(name, rows(11))
        run = workspace.submit("training", before=before)
        assert run.status == "succeeded", run.record.reason
        for name in KINDS:
            for seed in range(3):
                tables.append(name, rows(20 + seed))
        lose_pins(workspace.stores)
        results = workspace.maintain()
        assert all(result.expired for result in results)
        care = workspace.stores.tables.maintenance
        assert all(care.remove_orphans(name, timedelta(0)) for name in KINDS)  # so files go, too
        return run


def test_everything_that_a_version_was_made_from_outlives_maintenance_and_makes_it_again(project):
    """And without its tags it is held by the facts, until the version is deleted."""
    run = train_and_forget(project)
    with project.open() as workspace:
        stores = workspace.stores
        (version,) = stores.models.list("warmth")
        held = snapshots_of_versions(stores)
        assert {table for table, _ in held} == KINDS
        assert len(held) == 5  # of readings the rows now, those before, and the reference
        for table, number in held:
            assert number in stores.tables.tags(table).values()
            stores.tables.read(stores.tables.snapshot(table, id=number)).verify()
        trained = {one.table: one.snapshot_id for one in version.snapshots if one.table != "readings"}
        assert {table: stores.tables.tags(table)["warmth-v1"] for table in trained} == trained
        for execution in stores.executions.list(run.id):  # nothing is left to take over
            for artifact in execution.outputs.values():
                stores.artifacts.delete(artifact.digest)
        again = workspace._running.submit("training", run.record.parameters, resumed=run.record)
        assert again.status == "succeeded", again.reason
        remade = {one.node: one for one in stores.executions.list(again.id)}
        assert remade["train"].status == "succeeded"
        for execution in stores.executions.list(run.id):
            same = remade[execution.node]
            assert {name: one.digest for name, one in same.outputs.items()} == {
                name: one.digest for name, one in execution.outputs.items()
            }
            assert {name: one.summary for name, one in same.inputs.items()} == {
                name: one.summary for name, one in execution.inputs.items()
            }
        assert [one.version for one in stores.models.list("warmth")] == [1]

        tags = {table: stores.tables.tags(table) for table in KINDS}
        for table, named in tags.items():
            for tag in named:
                stores.tables.untag(table, tag)
        maintain(stores)
        assert held <= kept(stores)
        for table, named in tags.items():
            for tag, number in named.items():
                stores.tables.tag(table, number, tag)
        with pytest.raises(ProtectedError, match="stays with it"):
            workspace.models.untag("warmth", 1)
        workspace.models.delete("warmth", 1, reason="not needed")
        lose_pins(stores)
        maintain(stores)
        assert held <= kept(stores)  # by its tags
        stores.tables.tag("tests", stores.tables.snapshot("tests").snapshot_id, "warmth-v12")  # of another version
        assert workspace.models.untag("warmth", 1) == sorted(f"{table}@{number}" for table, number in held)
        assert workspace.models.untag("warmth", 1) == []
        assert len(workspace.runs(pipeline="untag")) == 1
        assert list(stores.tables.tags("tests")) == ["warmth-v12"]
        maintain(stores)
        assert not held & kept(stores)
