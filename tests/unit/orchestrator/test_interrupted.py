"""Collecting a run: what is done about it depends on how it stands now, not on how it stood when it was read."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from run_record import run_record
from tidewheel.metadata_store import Database, ExecutionStore, RunStore
from tidewheel.orchestrator.interrupted import collect_reports
from tidewheel.orchestrator.run_lock import RunLock

AT = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def database():
    database = Database.open("sqlite://")
    yield database
    database.close()


def test_a_run_that_ended_after_it_was_read_keeps_its_end(database, tmp_path):
    """Its orchestrator had let go of its lock when the collector looked, but was not dead before its time."""
    runs, collected = RunStore(database), []
    with RunLock(tmp_path):
        read = runs.create(run_record())
        runs.complete(read.id, "succeeded", "", AT)
    found = collect_reports(read, tmp_path, runs, ExecutionStore(database), on_end=lambda *told: collected.append(told))
    assert found.status == runs.get(read.id).status == "succeeded"
    assert collected == []


def test_a_run_whose_orchestrator_died_is_recorded_as_interrupted_once(database, tmp_path):
    runs, collected = RunStore(database), []
    with RunLock(tmp_path):
        read = runs.create(run_record())
        assert collect_reports(read, tmp_path, runs, ExecutionStore(database)).status == "running"
    for _ in range(2):
        found = collect_reports(
            read, tmp_path, runs, ExecutionStore(database), on_end=lambda run, _: collected.append(run.status)
        )
        assert found.status == "interrupted"
    assert collected == ["interrupted"]
