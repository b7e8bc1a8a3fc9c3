"""The controller on a small project: each decision once, whoever is killed, repeats or comes in between."""

from __future__ import annotations

import os
import shutil
import signal
import threading
from collections import Counter

import pytest

from processes import wait_until
from tidewheel.core.errors import ConflictError
from tidewheel.loop import tick
from tidewheel.loop.turn import LEASE, take_turn
from toy_project import ToyWorkspace, start_of, start_tick, write_project


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A project with a first champion, and a copy of it: put back to its place before each test, as paths are kept."""
    folder = tmp_path_factory.mktemp("toy") / "project"
    toy = ToyWorkspace(write_project(folder))
    toy.train_first()
    toy.close()
    return folder, shutil.copytree(folder, folder.with_name("saved"))


@pytest.fixture
def toy(trained):
    folder, saved = trained
    shutil.rmtree(folder)
    shutil.copytree(saved, folder)
    toy = ToyWorkspace(folder)
    yield toy
    toy.close()


def facts(toy) -> dict[str, object]:
    """All that a second tick must not change."""
    stores = toy.stores
    return {
        "runs": Counter((run.pipeline, run.status) for run in stores.runs.list(limit=1000)),
        "versions": [(one.version, one.state) for one in stores.models.list("toy")],
        "moves": [(one.from_version, one.to_version) for one in stores.aliases.history("toy")],
        "deployments": [(one.version, one.is_active) for one in stores.deployments.history("toy")],
        "signals": len(stores.signals.list(limit=1000)),
        "events": len(stores.events.list(limit=1000)),
        "segments": len(stores.segments.list()),
        "endpoints": [(one.version, one.status, one.pid) for one in toy.workspace.endpoints()],
    }


def test_a_tick_closes_the_circle_and_the_next_one_does_nothing(toy):
    toy.workspace.deploy("toy")
    toy.live_through(2)
    report = tick(toy.workspace, at=start_of(3))
    assert (len(report.signals), len(report.events), len(report.runs), report.promoted) == (1, 1, 1, ("toy/2",))
    assert report.problems == ()
    (state,) = toy.workspace.endpoints()
    assert (state.version, state.status) == (2, "ready")
    assert toy.workspace.why("toy").is_whole
    before = facts(toy)
    again = tick(toy.workspace)
    assert again.lines == ("nothing to do",)
    assert facts(toy) == before


def test_no_alarm_starts_no_run(toy):
    toy.live_through(2, turns=False)
    report = tick(toy.workspace, at=start_of(3))
    assert (len(report.signals), report.events, report.runs) == (1, (), ())


def test_a_dead_server_is_started_again_on_its_port(toy):
    before = toy.workspace.deploy("toy")
    os.kill(before.pid, signal.SIGKILL)
    wait_until(lambda: toy.workspace.endpoints()[0].status == "dead")
    report = tick(toy.workspace)
    (after,) = toy.workspace.endpoints()
    assert (after.status, after.url, after.pid != before.pid) == ("ready", before.url, True)
    assert any("answers again" in line for line in report.lines)


def test_an_endpoint_follows_a_promotion_whose_process_died_before_it(toy):
    toy.workspace.deploy("toy")
    toy.sign = -1
    toy.ingest(2)
    toy.workspace.submit("training")
    event = toy.stores.events.list(limit=1)[0]
    move = {"event_id": event.id, "reason": "died after this", "at": toy.stores.clock.now()}
    toy.stores.aliases.move("toy", "champion", 2, expected=1, **move)
    assert [state.version for state in toy.workspace.endpoints()] == [1]
    tick(toy.workspace)
    assert [state.version for state in toy.workspace.endpoints()] == [2]
    assert [one.version for one in toy.stores.deployments.active()] == [2]
    toy.workspace.deploy("toy", version=1)  # a version that a person names stays
    tick(toy.workspace)
    assert [state.version for state in toy.workspace.endpoints()] == [1]


def test_a_server_whose_undeploying_died_is_taken_down(toy):
    toy.workspace.deploy("toy")
    (active,) = toy.stores.deployments.active()
    toy.stores.deployments.take_down(active.id, event_id="e", reason="died after this", at=toy.stores.clock.now())
    assert len(toy.workspace.endpoints()) == 1
    tick(toy.workspace)
    assert toy.workspace.endpoints() == []


def test_the_gate_judges_again_when_the_champion_changed_since_the_verdict(toy):
    """v2 and v3 are both judged against v1; somebody promotes v2, so v3's verdict is about yesterday's champion."""
    toy.sign = -1
    toy.ingest(2)
    toy.workspace.submit("training")
    toy.sign = 1
    toy.ingest(3)
    toy.sign = -1
    toy.ingest(4)
    toy.workspace.submit("training")
    states = {one.version: one.state for one in toy.workspace.versions("toy")}
    assert states == {1: "approved", 2: "approved", 3: "approved"}
    toy.workspace.promote("toy", 2)
    report = tick(toy.workspace)
    assert len(report.runs) == 1
    run = toy.workspace.run(report.runs[0])
    assert [one.record.node for one in run.executions if one.record.status == "succeeded"].count("train") == 0
    third = toy.workspace.stores.models.get("toy", 3)
    verdict = toy.stores.artifacts.load(run["model_validation"].record.outputs["output"])
    assert verdict.champion_version == 2
    expected = "approved" if verdict.passed else "rejected"
    assert third.state == expected
    assert report.promoted == (("toy/3",) if verdict.passed else ())
    before = facts(toy)
    assert tick(toy.workspace).runs == ()
    assert facts(toy) == before


def test_ticks_at_once_take_turns_and_do_everything_once(toy):
    toy.live_through(2)
    toy.stores.clock_row.set(start_of(3))
    processes = [start_tick(toy.folder) for _ in range(2)]
    told = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], told
    found = facts(toy)
    assert found["versions"] == [(2, "approved"), (1, "approved")]
    assert found["moves"] == [(None, 1), (1, 2)]
    assert found["signals"] == 1
    assert found["runs"]["training", "succeeded"] == 2
    assert sum("promoted: toy v2" in one for one in told) == 1


def test_a_tick_does_not_wait_for_ever(toy):
    with take_turn(toy.stores.folder, toy.stores.leases):
        with pytest.raises(ConflictError, match="another controller is ticking"):
            tick(toy.workspace, wait_s=0.2)


def test_a_turn_is_renewed_while_it_lasts_and_told_when_it_is_lost(toy):
    leases = toy.stores.leases
    with take_turn(toy.stores.folder, leases, lease_s=5.0) as turn:  # a heartbeat may be three seconds late
        until = _expires_at(toy)
        wait_until(lambda: _expires_at(toy) > until)
        assert not leases.acquire(LEASE, "another machine", 1)
        turn.check()
        owner = [one for one in threading.enumerate() if one.name == "controller's lease"]
        assert len(owner) == 1
        _steal(toy)
        assert turn.is_lost.wait(100)
        with pytest.raises(ConflictError, match="taken over"):
            turn.check()
    assert not [one for one in threading.enumerate() if one.name == "controller's lease"]


def _expires_at(toy) -> int:
    with toy.stores.database.read() as connection:
        return connection.scalar("SELECT expires_at FROM lease")


def _steal(toy) -> None:
    with toy.stores.database.write() as connection:
        connection.execute("UPDATE lease SET owner = 'another machine'")


def test_an_event_that_cannot_start_does_not_keep_the_rest_from_happening(toy):
    toy.workspace.deploy("toy")
    toy.live_through(2)
    (toy.folder / "toy.py").write_text((toy.folder / "toy.py").read_text().replace("months: int = 1", "months: int"))
    os.kill(toy.workspace.endpoints()[0].pid, signal.SIGKILL)
    report = tick(toy.workspace, at=start_of(3))
    assert len(report.events) == 1
    assert report.runs == ()
    assert len(report.problems) == 1
    assert [one.status for one in toy.workspace.endpoints()] == ["ready"]
    assert toy.stores.events.outcome_of(report.events[0]).startswith("not started")
    assert tick(toy.workspace).problems == ()


def test_a_person_s_interrupted_run_is_theirs_to_resume(toy):
    toy.sign = -1
    toy.ingest(2)
    process = start_tick(toy.folder)  # nothing to do: a controller may run beside a person's run
    process.communicate()
    run = toy.stores.runs.latest("training")
    from tidewheel.core.identifier import new_id

    lost = run.to_dict() | {"id": new_id(), "status": "running", "ended_at": None}
    toy.stores.runs.create(type(run).from_dict(lost))
    report = tick(toy.workspace)
    assert report.runs == ()
    assert toy.stores.runs.latest("training").status == "interrupted"
