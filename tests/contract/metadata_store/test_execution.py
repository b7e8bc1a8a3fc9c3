from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from tidewheel.core.errors import ConflictError, NotFoundError
from tidewheel.core.records import Failure
from tidewheel.metadata_store import ArtifactRecordStore, ExecutionStore, RunStore

replace = msgspec.structs.replace


@pytest.fixture
def executions(database):
    return ExecutionStore(database)


@pytest.fixture
def run(database, facts):
    return RunStore(database).create(facts.run())


def test_every_fact_of_an_execution_is_read_back(executions, run, facts):
    planned = executions.create(facts.execution(run))
    done = replace(
        planned,
        status="failed",
        step_version="v" * 64,
        fingerprint="f" * 64,
        fingerprint_parts={"closure": {"steps:train": "x"}, "parameters": {"depth": "y"}},
        parameters={"depth": 3, "text": "naïve\x00"},
        inputs={"rows": facts.artifact("a")},
        outputs={"model": facts.artifact("b"), "report": facts.artifact("c")},
        metrics={"train.auc": 0.8, "test.auc": 0.7, "undefined": None},
        attempts=3,
        host="box",
        worker_pid=99,
        cpu_s=1.5,
        peak_memory_bytes=2**40,
        log="runs/x/train.log",
        reason="raised",
        failure=Failure(kind="ValueError", message="bad", traceback="Traceback ...", is_retryable=False),
        started_at=facts.at,
        ended_at=facts.at + timedelta(seconds=2.5),
    )
    executions.update(done)
    found = executions.get(run.id, "train")
    assert found == done
    assert found.duration_s == 2.5
    assert executions.get_by_id(done.id[:15]) == done


def test_executions_keep_plan_order(executions, run, facts):
    nodes = ["z", "a", "m", "b"]
    executions.put_many([facts.execution(run, node) for node in nodes])
    executions.create(facts.execution(run, "0"))
    assert [execution.node for execution in executions.list(run.id)] == [*nodes, "0"]


def test_writing_no_executions_is_allowed(executions, run):
    executions.put_many([])
    assert executions.list(run.id) == []


def test_a_plan_with_a_node_twice_is_refused_as_a_whole(executions, run, facts):
    with pytest.raises(ConflictError):
        executions.put_many([facts.execution(run, "a"), facts.execution(run, "b"), facts.execution(run, "a")])
    assert executions.list(run.id) == []


def test_an_execution_of_an_unknown_run_is_refused(executions, facts):
    with pytest.raises(ConflictError):
        executions.create(facts.execution(facts.run()))


def test_an_unknown_node_is_answered_with_near_ones(executions, run, facts):
    executions.create(facts.execution(run, "train"))
    with pytest.raises(NotFoundError, match="did you mean 'train'"):
        executions.get(run.id, "trian")


def test_what_ended_is_not_rewritten(executions, run, facts):
    done = executions.create(facts.execution(run, status="succeeded", ended_at=facts.at))
    with pytest.raises(ConflictError, match="succeeded"):
        executions.update(replace(done, status="failed"))
    assert executions.get(run.id, "train") == done


def test_telling_the_same_completion_twice_changes_nothing(executions, run, facts):
    planned = executions.create(facts.execution(run))
    done = replace(planned, status="succeeded", metrics={"nan": float("nan")}, ended_at=facts.at)
    executions.update(done)
    executions.update(done)
    assert executions.get(run.id, "train").status == "succeeded"


def test_updating_what_was_never_created_is_an_error(executions, run, facts):
    with pytest.raises(NotFoundError):
        executions.update(facts.execution(run, status="succeeded"))


def test_a_completion_that_fails_midway_leaves_nothing(executions, database, run, facts, monkeypatch):
    planned = executions.create(facts.execution(run))
    done = replace(planned, status="succeeded", outputs={"output": facts.artifact("b")})

    def fail(*_):
        raise RuntimeError("killed between two statements")

    monkeypatch.setattr("tidewheel.metadata_store.execution._put_artifacts", fail)
    with pytest.raises(RuntimeError):
        executions.update(done)
    monkeypatch.undo()
    assert executions.get(run.id, "train") == planned
    with database.read() as connection:
        assert connection.scalar("SELECT count(*) FROM artifact") == 0
    executions.update(done)
    assert executions.by_output("b" * 64) == [done]


def test_only_a_success_with_the_fingerprint_is_reused(executions, run, facts):
    for node, status in [("a", "failed"), ("b", "cached"), ("c", "waiting"), ("d", "stopped")]:
        executions.create(facts.execution(run, node, status=status, fingerprint="f", ended_at=facts.at))
    assert executions.find_reusable("f") is None
    made = executions.create(facts.execution(run, "e", status="succeeded", fingerprint="f", ended_at=facts.at))
    assert executions.find_reusable("f") == made


def test_the_newest_success_is_reused(executions, run, facts):
    for node, minutes in [("a", 1), ("b", 3), ("c", 2)]:
        ended_at = facts.at + timedelta(minutes=minutes)
        executions.create(facts.execution(run, node, status="succeeded", fingerprint="f", ended_at=ended_at))
    assert executions.find_reusable("f").node == "b"


def test_an_empty_fingerprint_is_never_reused(executions, run, facts):
    executions.create(facts.execution(run, status="succeeded", ended_at=facts.at))
    assert executions.find_reusable("") is None


def test_what_loaded_more_than_its_closure_is_not_reused(executions, run, facts):
    planned = executions.create(facts.execution(run, fingerprint="f"))
    executions.update(replace(planned, status="succeeded", ended_at=facts.at), is_reusable=False)
    assert executions.find_reusable("f") is None


def test_lineage_is_walked_both_ways(executions, run, facts):
    value = facts.artifact("a")
    maker = executions.create(facts.execution(run, "extract", status="succeeded", outputs={"output": value}))
    copy = executions.create(facts.execution(run, "again", status="cached", outputs={"output": value}))
    user = executions.create(facts.execution(run, "train", status="succeeded", inputs={"left": value, "right": value}))
    assert executions.by_output(value.digest) == [maker, copy]
    assert executions.by_input(value.digest) == [user]
    assert executions.by_input("0" * 64) == []


def test_inputs_told_at_the_start_are_replaced_by_those_at_the_end(executions, database, run, facts):
    planned = executions.create(facts.execution(run, inputs={"rows": facts.artifact("a")}))
    executions.update(replace(planned, status="succeeded", inputs={"rows": facts.artifact("b")}))
    assert executions.by_input("a" * 64) == []
    assert len(executions.by_input("b" * 64)) == 1
    with database.read() as connection:
        assert connection.scalar("SELECT count(*) FROM execution_artifact") == 1


def test_artifacts_are_found_by_digest_and_prefix(executions, database, run, facts):
    artifacts = ArtifactRecordStore(database)
    value = facts.artifact("a")
    executions.create(facts.execution(run, outputs={"output": value}))
    assert artifacts.get(value.digest) == value
    assert artifacts.get("aaaa") == value
    assert artifacts.find("b" * 64) is None
    artifacts.put(facts.artifact("b"))
    artifacts.put(facts.artifact("b"))
    assert artifacts.find("b" * 64) == facts.artifact("b")
    with pytest.raises(NotFoundError):
        artifacts.get("aaa")
    with pytest.raises(NotFoundError):
        artifacts.get("c" * 64)


def test_the_previous_execution_of_a_node_is_of_the_same_pipeline_and_finished(executions, database, facts):
    runs = RunStore(database)
    for number, pipeline, status in [
        (1, "p", "succeeded"),
        (2, "q", "succeeded"),
        (3, "p", "failed"),
        (4, "p", "cached"),
    ]:
        run = runs.create(facts.run(id=f"run{number}", pipeline=pipeline))
        executions.create(facts.execution(run, status=status))
    assert executions.latest_of_node("p", "train", "run5").run_id == "run4"
    assert executions.latest_of_node("p", "train", "run4").run_id == "run1"
    assert executions.latest_of_node("p", "train", "run4", statuses=["failed"]).run_id == "run3"
    assert executions.latest_of_node("p", "train", "run1") is None
    assert executions.latest_of_node("p", "other", "run5") is None
