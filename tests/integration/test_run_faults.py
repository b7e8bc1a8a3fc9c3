"""kill -9 of workers and orchestrators at random moments: what is left resumes to the undisturbed result."""

from __future__ import annotations

import contextlib
import random
import subprocess
import threading
import time

import psutil
import pytest

from processes import running_children, wait_until
from small_project import SmallProject, expected_totals, totals_of

KILLS = 20


@pytest.fixture
def project(tmp_path):
    project = SmallProject(tmp_path / "project")
    yield project
    project.expect_no_process()


def outputs(run) -> dict[str, str]:
    return {
        f"{one.record.node}.{name}": artifact.digest
        for one in run.executions
        for name, artifact in one.record.outputs.items()
    }


def kill_a_worker(delay_s: float, chance: random.Random, over: threading.Event, killed: list[int]) -> None:
    """Waits, then kills a random worker: a child of the fork server, which is a child of ours."""
    over.wait(delay_s)
    while not over.is_set():
        with contextlib.suppress(psutil.Error):  # gone while it was looked at
            servers = [one for one in psutil.Process().children() if "fork-server" in one.cmdline()]
            workers = [worker for server in servers for worker in server.children()]
            if workers:
                worker = chance.choice(workers)
                worker.kill()
                killed.append(worker.pid)
                return
        time.sleep(0.001)


def test_twenty_kills_of_a_worker_leave_runs_that_resume_to_the_undisturbed_result(project, warm_servers):
    failed = hit = 0
    before = running_children()
    with project.open() as workspace:
        workspace.plan("counting", start=0, seconds=0.03)
        began = time.monotonic()
        workspace.submit("counting", start=0, seconds=0.03)
        whole_s = time.monotonic() - began
        for turn in range(KILLS):
            chance, over, killed = random.Random(turn), threading.Event(), []
            moment = chance.uniform(0.0, whole_s)
            killer = threading.Thread(target=kill_a_worker, args=(moment, chance, over, killed))
            workspace.plan("counting", start=turn + 1, seconds=0.03)  # so that only steps are workers
            killer.start()
            began = time.monotonic()
            run = workspace.submit("counting", start=turn + 1, seconds=0.03)
            if not killed:  # it was over before its kill: later kills come earlier
                whole_s = min(whole_s, time.monotonic() - began)
            over.set()
            killer.join()
            hit += len(killed)
            if run.status == "failed":
                failed += 1
                assert "was killed by signal 9" in run.record.reason
                finished = {one.record.node for one in run.executions if one.status == "succeeded"}
                run = workspace.resume(run.id)
                assert finished == {one.record.node for one in run.executions if one.status == "cached"}
            assert run.status == "succeeded"
            assert totals_of(run) == expected_totals(turn + 1)
            if turn % 5 == 0:
                fresh = workspace.submit("counting", start=turn + 1, seconds=0.03, reuses_results=False)
                assert outputs(fresh) == outputs(run)
        assert running_children() - warm_servers.idle_pids <= before
    assert hit >= KILLS / 4
    assert failed >= KILLS / 5
    assert project.verify_artifacts() > KILLS


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_twenty_kills_of_the_orchestrator_leave_runs_that_resume_to_the_undisturbed_result(project):
    began = time.monotonic()
    process = project.start("run", "counting", "--start", "1000", "--seconds", "0.03")
    process.stdout.readline()  # the run is recorded
    recorded_s = time.monotonic() - began
    process.communicate()
    whole_s = time.monotonic() - began
    resumed, pace = 0, 1.0
    with project.open() as workspace:
        for turn in range(KILLS):
            start, chance = turn + 1, random.Random(turn)
            before = {run.id for run in workspace.runs()}
            process = project.start("run", "counting", "--start", str(start), "--seconds", "0.03")
            if turn % 2:  # every other one while its steps run
                process.stdout.readline()
                moment = chance.uniform(0.0, whole_s - recorded_s)
            else:
                moment = chance.uniform(0.0, whole_s)
            try:
                process.wait(pace * moment)
                pace *= 0.7  # it was over before its kill: the machine is faster than when it was measured
            except subprocess.TimeoutExpired:
                process.kill()
            process.communicate()
            project.expect_no_process()
            new = [run for run in workspace.runs() if run.id not in before]
            if new and new[0].record.status == "running":
                assert new[0].status == "interrupted"
                resumed += 1
                run = workspace.resume(new[0].id)
                assert workspace.run(new[0].id).record.status == "interrupted"
                assert all(one.status not in ("waiting", "running") for one in workspace.run(new[0].id).executions)
            else:  # before the run was recorded, or after its end
                run = workspace.submit("counting", start=start, seconds=0.03)
            assert run.status == "succeeded"
            assert totals_of(run) == expected_totals(start)
            if turn % 5 == 0:
                fresh = workspace.submit("counting", start=start, seconds=0.03, reuses_results=False)
                assert outputs(fresh) == outputs(run)
        assert not workspace.runs(status="running")
    assert resumed >= KILLS / 4
    assert project.verify_artifacts() > KILLS


def test_resume_goes_on_where_the_killed_orchestrator_was(project):
    gate = project.folder.parent / "gate"
    project.make_workspace()
    process = project.start("run", "gated", "--gate", str(gate))
    wait_until(gate.with_name("gate.reached").exists)
    process.kill()
    process.communicate()
    project.expect_no_process()
    gate.touch()
    assert "succeeded" in project.tidewheel("resume", "latest")
    assert project.statuses() == {"one": "cached", "wait_for": "succeeded", "add": "succeeded"}
    assert project.tidewheel("get", "latest/add.output").strip() == "4"
