"""Data validation as a project uses it: clean rows pass, each kind of spoiled rows does what it must."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest

from small_project import SmallProject
from tidewheel.core.records import ValidationReport
from tidewheel.loop import tick

PROJECT = """
import pandas as pd
import pandera.pandas as pa
from sklearn.linear_model import LinearRegression

from tidewheel import ValueSkew
from tidewheel.pipeline import ColumnLimit, Contract, Model, RowDetector, pipeline, reference, step, table
from tidewheel.steps.data_validation import data_validation
from tidewheel.steps.model_packaging import model_packaging

readings = Contract(
    "readings",
    pa.DataFrameSchema({
        "id": pa.Column(int),
        "kind": pa.Column(str, pa.Check.isin(KINDS)),
        "value": pa.Column(float, pa.Check.in_range(*RANGE)),
        "other": pa.Column(float),
    }),
)


@step
def train(rows: pd.DataFrame) -> LinearRegression:
    return LinearRegression().fit(rows[["value"]], rows["other"])


@step
def features(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[["value"]]


@pipeline
def training():
    past = reference("readings", model="delay")
    valid = data_validation(table("readings"), past, time="id", limits=LIMITS, detector=DETECTOR)
    return {"package": model_packaging(train(valid.rows), features(valid.rows)), "report": valid.report}


@pipeline
def checking():
    return {"report": data_validation(table("readings"), reference("readings", model="delay"), time="id").report}


delay = Model("delay", pipeline=training, triggers=(ValueSkew(),))
"""


def source(kinds=("a", "b"), limits="()", detector="None", between=(-100, 100)):
    return f"KINDS = {list(kinds)}\nLIMITS = {limits}\nDETECTOR = {detector}\nRANGE = {between}\n" + PROJECT


def rows(start, count=2000, *, seed=0, shift=0.0, kinds=("a", "b")):
    random = np.random.default_rng(seed + start)
    value = random.normal(shift, 1, count)
    return pa.table(
        {
            "id": np.arange(start, start + count),
            "kind": random.choice(kinds, count),
            "value": value,
            "other": 2 * value + random.normal(0, 0.1, count),
        }
    )


class Project(SmallProject):
    def add(self, data):
        """Rows that come without an audit, as from another writer."""
        with self.open() as workspace:
            tables = workspace.stores.tables
            tables.append("readings", data) if tables.exists("readings") else tables.create("readings", data)

    def run(self, pipeline="training"):
        with self.open() as workspace:
            return workspace.submit(pipeline)

    def promote(self):
        with self.open() as workspace:
            workspace.promote("delay", 1)

    def declare(self, **changes):
        (self.folder / "small.py").write_text(source(**changes))


@pytest.fixture
def project(tmp_path):
    project = Project(tmp_path / "project", source())
    project.add(rows(0))
    return project


def report_of(run) -> ValidationReport:
    (report,) = run.validations
    return report


def test_before_the_first_champion_rows_are_held_against_the_first_ones(project):
    project.add(rows(2000))
    run = project.run()
    report = report_of(run)
    assert report.reference.row_count == 2000
    assert report.reference.version is None
    assert report.skew.row_count == 2000
    assert not report.skew.moved
    assert report.kept_count == report.row_count == 4000
    with project.open() as workspace:
        assert workspace.signals() == []
        assert str(workspace.run("latest")["reference-readings"].outputs["output"].load()).startswith("readings@")


def test_a_champion_s_training_rows_are_the_reference_and_the_chain_says_so(project):
    project.add(rows(2000))
    project.run()
    project.promote()
    project.add(rows(4000))
    report = report_of(project.run())
    assert (report.reference.version, report.reference.row_count, report.skew.row_count) == (1, 4000, 2000)
    with project.open() as workspace:
        (signal,) = workspace.signals()
        assert (signal.kind, signal.is_alarm, signal.version) == ("skew", False, 1)
        links = workspace.why("delay", 2).links
        assert all(link.is_found for link in links)
        nouns = {link.noun: link for link in links}
        assert "delay v1, the champion, was trained on it" in nouns["reference"].text
        assert "6,000 of 6,000 rows kept" in nouns["validation"].text
        for noun in ("reference", "validation"):
            assert project.tidewheel(*nouns[noun].command.split()[1:])
    project.run()
    assert project.statuses()["data_validation"] == "cached"


def test_moved_values_are_a_signal_and_do_not_stop_the_run(project):
    project.run()
    project.promote()
    project.add(rows(2000, shift=1.0))
    run = project.run()
    assert run.status == "succeeded"
    assert {column.column for column in report_of(run).skew.moved} == {"value", "other"}
    said = project.tidewheel("signals")
    assert "2 of 3 columns have moved since v1 was trained, which asks for retraining" in said
    assert "moved       value: distance" in project.tidewheel("show", "latest")


def test_moved_values_that_no_training_answered_start_one(project):
    project.run()
    project.promote()
    project.add(rows(2000, shift=1.0))
    assert project.run("checking").status == "succeeded"
    with project.open() as workspace:
        first, second = tick(workspace), tick(workspace)
        assert len(first.runs) == 1
        assert workspace.run(first.runs[0]).record.pipeline == "training"
        assert second.runs == ()


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        pytest.param(lambda t: t.set_column(1, "kind", pa.array(["c"] * len(t))), "kind.domain", id="domain"),
        pytest.param(lambda t: t.append_column("extra", pa.array([1] * len(t))), "'extra' is unexpected", id="extra"),
    ],
)
def test_schema_skew_stops_with_the_findings(project, spoil, told):
    spoiled = spoil(rows(2000))
    with project.open() as workspace:
        workspace.stores.tables.evolve("readings", spoiled.schema)
    project.add(spoiled)
    run = project.run()
    assert run.status == "stopped"
    assert told in run.record.reason
    report = report_of(run)
    assert report.stops
    assert report.kept_count == 0
    assert told in project.tidewheel("show", "latest")
    got = json.loads(project.tidewheel("get", "latest/data_validation.report"))
    assert got["stops"] == list(report.stops)
