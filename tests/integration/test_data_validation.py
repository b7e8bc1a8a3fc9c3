"""Data validation as a project uses it: clean rows pass, each kind of spoiled rows does what it must."""

from __future__ import annotations

import json
import os
import signal

import numpy as np
import pyarrow as pa
import pytest

import tidewheel
from processes import wait_until
from small_project import SmallProject
from tidewheel.core.errors import DefinitionError, NotFoundError
from tidewheel.core.records import ValidationReport
from tidewheel.loop import tick
from tidewheel.pipeline import reference
from tidewheel.steps.data_validation import data_validation
from tidewheel.workspace.cause import request_event
from tidewheel.workspace.champions import registry
from tidewheel.workspace.operation import record_operation

pytestmark = pytest.mark.timeout(300)  # several runs, each with processes of its own

PROJECT = """
import time
from pathlib import Path

import pandas as pd
import pandera.pandas as pa
from sklearn.linear_model import LinearRegression

from tidewheel import ValueSkew
from tidewheel.core.records import ValidationReport
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


@step
def wait(report: ValidationReport, *, gate: str) -> int:
    Path(gate).touch()
    while True:
        time.sleep(0.05)


@pipeline
def waiting(*, gate: str):
    report = data_validation(table("readings"), reference("readings", model="delay"), time="id").report
    return {"waited": wait(report, gate=gate)}


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


@pytest.mark.slow
def test_the_reference_follows_the_champion_and_moved_values_ask_for_retraining(project):
    project.add(rows(2000))
    first = report_of(project.run())
    assert (first.reference.version, first.reference.row_count, first.skew.row_count) == (None, 2000, 2000)
    assert not first.skew.moved
    assert first.kept_count == first.row_count == 4000
    with project.open() as workspace:
        assert workspace.signals() == []  # without a champion there is nothing to be retrained
        workspace.promote("delay", 1)

    project.add(rows(4000))
    second = report_of(project.run())
    assert (second.reference.version, second.reference.row_count, second.skew.row_count) == (1, 4000, 2000)
    with project.open() as workspace:
        (signal,) = workspace.signals()
        assert (signal.kind, signal.is_alarm, signal.version) == ("skew", False, 1)
        links = workspace.why("delay", 2).links
        assert all(link.is_found for link in links)
        nouns = {link.noun: link for link in links}
        assert "delay v1, the champion, was trained on it" in nouns["reference"].text
        assert "6,000 of 6,000 rows kept" in nouns["validation"].text
        reference = workspace.run("latest")["reference-readings"].outputs["output"].load()
        assert reference.rows.row_count == reference.profile.row_count == 4000
        assert reference.contract == workspace.contracts.get("readings")
    assert "was trained on it" in project.tidewheel(*nouns["reference"].command.split()[1:])

    project.add(rows(6000, shift=1.0))
    checked = project.run("checking")
    assert checked.status == "succeeded"
    assert {column.column for column in report_of(checked).skew.moved} == {"value", "other"}
    assert "2 of 3 columns have moved since v1 was trained, which asks for retraining" in project.tidewheel("signals")
    assert "moved       value: distance" in project.tidewheel("show", "latest")
    with project.open() as workspace:
        first_tick, second_tick = tick(workspace), tick(workspace)
        (retrained,) = first_tick.runs
        assert workspace.run(retrained).record.pipeline == "training"
        assert (second_tick.runs, second_tick.events) == ((), ())


@pytest.mark.slow
def test_a_run_that_registers_nothing_has_retrained_nothing_and_what_it_saw_still_asks_for_it(project):
    project.run()
    with project.open() as workspace:
        workspace.promote("delay", 1)
    project.add(rows(2000, shift=1.0))
    module = project.folder / "small.py"
    module.write_text(source().replace("pipeline=training,", 'pipeline=training, package="nothing",'))
    with pytest.raises(DefinitionError, match="no output 'nothing'"):
        project.run()
    with project.open() as workspace:
        (signal,) = workspace.signals()
    assert (signal.is_alarm, signal.numbers["retrained_by"]) == (True, "")


def make_champion(workspace):
    """A version that was trained on the rows of now, as far as the facts go."""
    stores = workspace.stores
    snapshot = workspace.snapshots("readings")[-1]
    stores.snapshots.put(snapshot)
    with record_operation(stores, "adopt", {}, request_event(stores, "adopt", {})) as operation:
        registry(stores).register(
            "delay",
            stores.artifacts.put({"mean": 0.0}),
            run=operation.run,
            metrics={},
            parameters={},
            snapshots=(snapshot,),
            verdict_digest="",
            state="approved",
            reason="",
            at=stores.clock.now(),
        )
    workspace.promote("delay", 1)


def test_what_a_killed_run_had_seen_becomes_one_signal_however_often_collecting_it_dies(project, monkeypatch):
    with project.open() as workspace:
        make_champion(workspace)
    project.add(rows(2000, shift=1.0))
    gate = project.folder / "gate"
    process = project.start("run", "waiting", "--gate", str(gate))
    wait_until(gate.exists, timeout_s=200)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    with project.open() as workspace:
        assert workspace.signals() == []
        with monkeypatch.context() as patched:
            patched.setattr(workspace.stores.runs, "complete", die)
            with pytest.raises(KeyboardInterrupt):
                workspace.settle_interrupted()
        (seen,) = workspace.signals()
        assert (seen.kind, seen.is_alarm, seen.numbers["retrained_by"]) == ("skew", True, "")
        (dead,) = workspace.stores.runs.running()
        with pytest.raises(NotFoundError):  # even a run that cannot start collects those that died before
            workspace.submit("unknown")
        assert workspace.run(dead.id).status == "interrupted"
        assert workspace.settle_interrupted() == []
        assert [one.id for one in workspace.signals()] == [seen.id]


def die(*_arguments):
    raise KeyboardInterrupt


def test_schema_skew_stops_with_the_findings_as_data(project):
    spoiled = rows(2000)
    project.add(spoiled.set_column(1, "kind", pa.array(["c"] * len(spoiled))))
    run = project.run("checking")
    assert run.status == "stopped"
    assert "kind.domain" in run.record.reason
    report = report_of(run)
    assert (report.kept_count, report.findings[0].count) == (0, 2000)
    shown = project.tidewheel("show", "latest")
    assert "stop        kind.domain" in shown
    got = json.loads(project.tidewheel("get", "latest/data_validation.report"))
    assert got["stops"] == list(report.stops)
    assert got["findings"][0]["samples"][0]["kind"] == "c"

    project.declare(kinds=("a", "b", "c"))  # people have looked, and released a fix
    assert project.run("checking")["data_validation"].status == "succeeded"
    assert project.run("checking")["data_validation"].status == "cached"

    spoiled = rows(4000).append_column("extra", pa.array([1] * 2000))
    with project.open() as workspace:
        workspace.stores.tables.evolve("readings", spoiled.schema)
    project.add(spoiled)
    run = project.run("checking")
    assert run.status == "stopped"
    assert "column 'extra' is unexpected" in run.record.reason


def test_a_check_of_the_project_s_own_runs_in_the_worker(project):
    own = source().replace("pa.Column(float),\n", 'pa.Column(float, pa.Check(lambda v: v != 7, name="no seven")),\n')
    (project.folder / "small.py").write_text(own)
    spoiled = rows(2000)
    project.add(spoiled.set_column(3, "other", pa.array([7.0] * 5 + spoiled["other"].to_pylist()[5:])))
    report = report_of(project.run("checking"))
    assert [(finding.rule, finding.count) for finding in report.findings] == [("other.no seven", 5)]
    assert (report.row_count, report.kept_count) == (4000, 3995)
    # Another contract is another reference, so nothing is taken over from before.
    project.declare(between=(-99, 99))
    assert report_of(project.run("checking")).findings == ()


def test_in_a_notebook_a_reference_is_there_at_once(project):
    with tidewheel.open(project.folder) as workspace:
        past = reference("readings", model="delay")
        report, kept = data_validation(workspace.table("readings").to_arrow(), past, time="id")
        assert (past.source.version, report.skew.row_count, kept.num_rows) == (None, 0, 2000)
        with pytest.raises(NotFoundError):
            reference("raedings")
