"""Ctrl-C, `cancel`, runs side by side, writers beside a run, and sources that change while it goes on."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys

import pytest

from processes import wait_until
from run_record import run_record
from small_project import SMALL, SmallProject, expected_totals, totals_of
from tidewheel.core.identifier import new_id
from tidewheel.orchestrator import is_alive
from tidewheel.orchestrator.run_lock import RunLock
from tidewheel.workspace import running

SOURCE = (
    SMALL
    + """

@step
def with_child(number: int, *, gate: str) -> int:
    import subprocess

    subprocess.Popen(["sleep", "1000"])
    subprocess.Popen(["sleep", "1000"], start_new_session=True)
    return wait_for(number, gate=gate)


@pipeline
def parental(*, gate: str):
    return add(with_child(one(), gate=gate))
"""
)
# Another process that writes into the same database all the time.
WRITER = """
import sqlite3, sys, time
database = sqlite3.connect(sys.argv[1], timeout=60, isolation_level=None)
database.execute("create table if not exists noise (number integer)")
print("writing", flush=True)
while True:
    database.execute("begin immediate")
    database.execute("insert into noise values (1)")
    time.sleep(0.005)
    database.execute("commit")
    time.sleep(0.005)
"""


@pytest.fixture
def new_project(tmp_path):
    project = SmallProject(tmp_path / "project", SOURCE)
    project.gate = tmp_path / "gate"
    yield project
    project.expect_no_process()


@pytest.fixture
def project(new_project):
    new_project.make_workspace()
    return new_project


def start_gated(project, pipeline="gated", *arguments):
    """A run that stands in its second of three steps, until the gate is there."""
    process = project.start("run", pipeline, "--gate", str(project.gate), *arguments)
    reached = project.gate.with_name("gate.reached")
    wait_until(lambda: reached.exists() or process.poll() is not None)
    assert process.poll() is None, process.communicate()[0]
    return process


def end_of(process) -> tuple[int, str]:
    said = process.communicate(timeout=200)[0]
    return process.returncode, said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_the_steps_with_their_children_and_leaves_a_run_that_resumes(project, number):
    process = start_gated(project, "parental")
    os.killpg(process.pid, number)  # as a terminal does: to the whole group
    code, said = end_of(process)
    assert code == 130, said
    assert "cancelled on request" in said
    assert "Traceback" not in said
    project.expect_no_process()
    assert project.statuses() == {"one": "succeeded", "with_child": "cancelled", "add": "cancelled"}
    project.gate.touch()
    project.tidewheel_alone("resume", "latest")  # the children end with its fork server, which no other test could use
    assert project.statuses() == {"one": "cached", "with_child": "succeeded", "add": "succeeded"}


def test_a_second_ctrl_c_does_not_tear_anything(project):
    process = start_gated(project)
    os.killpg(process.pid, signal.SIGINT)
    os.killpg(process.pid, signal.SIGINT)
    code, said = end_of(process)
    assert code in (130, -signal.SIGINT), said
    project.expect_no_process()
    with project.open() as workspace:
        assert workspace.run("latest").status in ("cancelled", "interrupted")
        project.gate.touch()
        assert workspace.resume(workspace.run("latest").id).status == "succeeded"


def test_ctrl_c_at_seeded_moments_from_the_first_on_leaves_no_process_and_no_run_that_seems_to_go_on(project):
    project.tidewheel("run", "counting", "--start", "1000")
    for turn in range(8):
        process = project.start("run", "counting", "--start", str(turn), "--seconds", "0.05")
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(random.Random(turn).uniform(0.05, 1.5))
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGINT)
        code, said = end_of(process)
        assert code in (0, 1, 130, -signal.SIGINT), said
        project.expect_no_process()
    with project.open() as workspace:
        assert "running" not in {run.status for run in workspace.runs()}
        assert totals_of(workspace.submit("counting", start=7)) == expected_totals(7)
    project.verify_artifacts()


def test_cancel_from_another_process_ends_the_run_and_waits_until_it_has(project):
    process = start_gated(project, "parental")
    assert "is cancelled" in project.tidewheel("cancel", "latest")
    assert end_of(process)[0] == 130
    project.expect_no_process()
    assert project.statuses()["with_child"] == "cancelled"
    assert "is not running" in project.tidewheel("cancel", "latest", code=1)


def test_cancelling_a_run_whose_orchestrator_was_killed_records_that(project):
    process = start_gated(project)
    process.kill()
    end_of(process)
    assert "is interrupted" in project.tidewheel("cancel", "latest")


def test_cancelling_a_run_that_ends_by_itself_at_that_moment_tells_how_it_ended(project, monkeypatch):
    gone = subprocess.Popen(["true"])
    gone.wait()
    with project.open() as workspace, contextlib.ExitStack() as orchestrator:
        runs = workspace.stores.runs
        run = runs.create(run_record(id=new_id(), orchestrator_pid=gone.pid))
        orchestrator.enter_context(RunLock(project.workspace_folder / "runs" / run.id))

        def look_and_miss_the_end(folder) -> bool:
            was_alive = is_alive(folder)
            if was_alive:
                runs.complete(run.id, "succeeded", "", run.at)
                orchestrator.close()
            return was_alive

        monkeypatch.setattr(running, "is_alive", look_and_miss_the_end)
        assert workspace.cancel(run.id).status == "succeeded"


def test_a_run_that_goes_on_is_not_resumed(project):
    process = start_gated(project)
    assert "is running" in project.tidewheel("resume", "latest", code=1)
    project.gate.touch()
    assert end_of(process)[0] == 0


def test_a_second_run_takes_what_the_first_has_finished_while_the_first_goes_on(project):
    first = start_gated(project)
    second = project.start("run", "gated", "--gate", str(project.gate), "--json")
    with project.open() as workspace:
        wait_until(lambda: len(workspace.runs(status="running")) == 2)
        wait_until(lambda: [one.status for one in workspace.run("latest").executions][:2] == ["cached", "running"])
    project.gate.touch()
    code, said = end_of(first)
    assert code == 0, said
    code, said = end_of(second)
    assert code == 0, said
    assert {one["status"] for one in json.loads(said)["executions"]} == {"cached", "succeeded"}


def test_runs_started_at_once_in_a_new_workspace_all_succeed_and_share_the_cache(new_project):
    project = new_project
    starts = (1, 1, 2)
    runs = [project.start("run", "counting", "--start", str(start), "--json") for start in starts]
    outputs = []
    for process in runs:
        code, said = end_of(process)
        assert code == 0, said
        executions = {one["node"]: one for one in json.loads(said)["executions"]}
        outputs.append(executions["total"]["outputs"]["output"]["digest"])
    assert outputs[0] == outputs[1] != outputs[2]
    with project.open() as workspace:
        for start in starts:
            run = workspace.submit("counting", start=start)
            assert {one.status for one in run.executions} == {"cached"}
            assert totals_of(run) == expected_totals(start)
    project.verify_artifacts()


def test_a_run_is_recorded_while_another_process_writes(project):
    project.tidewheel("run", "counting")
    database = str(project.workspace_folder / "metadata.db")
    writer = subprocess.Popen([sys.executable, "-c", WRITER, database], stdout=subprocess.PIPE)
    try:
        writer.stdout.readline()
        project.tidewheel("run", "counting", "--start", "2")
    finally:
        writer.kill()
        writer.communicate()
    assert set(project.statuses().values()) == {"succeeded"}


def test_a_run_waits_for_a_writer_that_holds_the_database_and_then_goes_on(project):
    project.tidewheel("run", "counting")
    process = start_gated(project)
    with contextlib.closing(sqlite3.connect(project.workspace_folder / "metadata.db", isolation_level=None)) as other:
        other.execute("begin immediate")
        project.gate.touch()
        with pytest.raises(subprocess.TimeoutExpired):  # the step has ended, but nobody can record it yet
            process.wait(1.0)
        other.execute("rollback")
    assert end_of(process)[0] == 0
    assert set(project.statuses().values()) == {"succeeded"}


def test_a_run_uses_the_sources_of_its_start_and_the_next_reruns_exactly_the_dependents(project):
    process = start_gated(project)
    factors = project.folder / "factors.py"
    factors.write_text(factors.read_text().replace("3", "100"))
    source = project.folder / "small.py"
    source.write_text(source.read_text().replace("return number + 1", "return number + 1000"))
    project.gate.touch()
    assert end_of(process)[0] == 0
    assert project.tidewheel("get", "latest/add.output").strip() == "4"  # 1 * 3 + 1
    project.tidewheel("run", "gated", "--gate", str(project.gate))
    assert project.statuses() == {"one": "cached", "wait_for": "succeeded", "add": "succeeded"}
    assert project.tidewheel("get", "latest/add.output").strip() == "1100"
    assert project.tidewheel("why-rerun", "latest", "wait_for").strip() == "code of factors:FACTOR changed"
    assert "code of small:add changed" in project.tidewheel("why-rerun", "latest", "add")


def test_sources_that_are_broken_or_gone_during_a_run_do_not_matter_to_it(project):
    process = start_gated(project)
    (project.folder / "factors.py").unlink()
    (project.folder / "small.py").write_text("def broken(:\n")
    project.gate.touch()
    code, said = end_of(process)
    assert code == 0, said
    said = project.tidewheel("run", "gated", "--gate", str(project.gate), code=2)
    assert "small" in said
