"""kill -9 of the controller and of the log's mover at seeded moments: the next one completes the circle, once."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import subprocess
import time
from datetime import UTC, datetime

import pytest

from processes import wait_until
from tidewheel.core.records import Prediction
from tidewheel.loop import tick
from tidewheel.metadata_store import Database, SegmentStore
from tidewheel.prediction_log.move import TABLE, move_segments
from tidewheel.prediction_log.segment_writer import SegmentWriter
from tidewheel.prediction_log.segments import closed_segments
from tidewheel.table_store import PyIcebergTableStore
from toy_project import ToyWorkspace, start_of, start_tick, write_project

MOMENTS = 10


def circle(toy) -> dict[str, object]:
    """What must be there once a month."""
    stores = toy.stores
    training = stores.runs.list(pipeline="training", limit=1000)
    return {
        "succeeded": sum(run.status == "succeeded" for run in training),
        "versions": [one.version for one in reversed(stores.models.list("toy"))],
        "moves": [(one.from_version, one.to_version) for one in stores.aliases.history("toy")],
        "deployments": [one.version for one in reversed(stores.deployments.history("toy"))],
        "serving": [(one.version, one.status) for one in toy.workspace.endpoints()],
        "signals": len({one.key for one in stores.signals.list(limit=1000)}),
        "triggered": len([one for one in stores.events.list(limit=1000) if one.kind == "signal"]),
        "pending": len(stores.events.pending()),
        "running": len(stores.runs.running()),
    }


def expected(month: int) -> dict[str, object]:
    return {
        "succeeded": month,
        "versions": list(range(1, month + 1)),
        "moves": [(number or None, number + 1) for number in range(month)],
        "deployments": list(range(1, month + 1)),
        "serving": [(month, "ready")],
        "signals": month - 1,
        "triggered": month - 1,
        "pending": 0,
        "running": 0,
    }


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_after_a_kill_at_any_moment_the_next_tick_completes_the_circle_once(tmp_path):
    toy = ToyWorkspace(write_project(tmp_path / "project"))
    try:
        toy.train_first()
        toy.workspace.deploy("toy")
        month, shortest, killed = 1, 0.0, 0
        while killed < MOMENTS and month <= 2 * MOMENTS:  # a tick that was faster than its kill does not count
            month += 1
            toy.live_through(month)
            process = start_tick(toy.folder, "--at", start_of(month + 1).isoformat())
            started = time.monotonic()
            moment = shortest * (killed + random.Random(month).random()) / MOMENTS
            try:
                assert process.wait(timeout=moment if shortest else None) == 0
                shortest = time.monotonic() - started
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                killed += 1
                clock = toy.stores.clock_row.get()
                report = tick(toy.workspace, at=start_of(month + 1) if clock < start_of(month + 1) else None)
                assert report.problems == ()
            process.stdout.close()
            assert circle(toy) == expected(month), f"killed after {moment:.2f} s"
            rows = toy.workspace.sql("select count(*) n, count(distinct prediction_id) ids from predictions")
            assert rows.to_pylist() == [{"n": 300 * (month - 1), "ids": 300 * (month - 1)}]
        assert killed == MOMENTS
        assert toy.workspace.why("toy").is_whole
        assert tick(toy.workspace).lines == ("nothing to do",)
        tags = toy.stores.tables.tags("points")
        assert {f"toy-v{number}" for number in range(1, month + 1)} <= set(tags)
    finally:
        toy.close()


def prediction(name: str) -> Prediction:
    now = datetime(2013, 4, 1, tzinfo=UTC)
    return Prediction(
        id=name,
        request_id=name,
        endpoint="m",
        place="dev",
        model="m",
        version=1,
        package_digest="p",
        inputs={"x": 1.0},
        outputs={"probability": 0.5},
        score=0.5,
        at=now,
        recorded_at=now,
    )


def _move_until_killed(folder, started) -> None:
    database = Database.open(f"sqlite:///{folder / 'metadata.db'}")
    tables = PyIcebergTableStore.open(folder / "tables")
    started.set()
    move_segments(folder / "log", tables, SegmentStore(database))
    os._exit(0)


@pytest.mark.timeout(300)
def test_movers_killed_at_any_moment_leave_each_answer_in_the_table_once(tmp_path):
    """Between the table's commit, the bookkeeping and the removal of the file, over and over."""
    context = multiprocessing.get_context("fork")
    names, killed, duration = [], 0, 0.2
    for moment in range(12):
        for part in range(4):
            writer = SegmentWriter(tmp_path / "log", maximum_rows=10)
            fresh = [f"{moment}-{part}-{row}" for row in range(3)]
            writer.append([prediction(name) for name in fresh])
            writer.close_segment()
            names += fresh
        started = context.Event()
        process = context.Process(target=_move_until_killed, args=(tmp_path, started))
        process.start()
        assert started.wait(200)
        begun = time.monotonic()
        process.join(random.Random(moment).uniform(0, duration))
        if process.is_alive():
            os.kill(process.pid, signal.SIGKILL)
            killed += 1
        else:
            duration = max(0.05, time.monotonic() - begun)
        process.join()
    database = Database.open(f"sqlite:///{tmp_path / 'metadata.db'}")
    segments, tables = SegmentStore(database), PyIcebergTableStore.open(tmp_path / "tables")
    move_segments(tmp_path / "log", tables, segments)
    held = tables.read(tables.snapshot(TABLE)).to_arrow()["prediction_id"].to_pylist()
    assert sorted(held) == sorted(names)
    assert closed_segments(tmp_path / "log") == []
    assert len(segments.list()) == 48
    assert killed >= 4
    database.close()


@pytest.mark.parametrize("after", ["tables.append", "segments.put"])
def test_a_mover_killed_right_after_a_commit_moves_nothing_twice(tmp_path, after):
    writer = SegmentWriter(tmp_path / "log", maximum_rows=10)
    writer.append([prediction("a"), prediction("b")])
    writer.close_segment()
    database = Database.open(f"sqlite:///{tmp_path / 'metadata.db'}")
    database.close()

    def work() -> None:
        own = Database.open(f"sqlite:///{tmp_path / 'metadata.db'}")
        stores = {"tables": PyIcebergTableStore.open(tmp_path / "tables"), "segments": SegmentStore(own)}
        owner, method = after.split(".")
        act = getattr(stores[owner], method)

        def act_and_die(*arguments, **options):
            act(*arguments, **options)
            os.kill(os.getpid(), signal.SIGKILL)

        setattr(stores[owner], method, act_and_die)
        move_segments(tmp_path / "log", stores["tables"], stores["segments"])

    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    wait_until(lambda: not process.is_alive())
    assert process.exitcode == -signal.SIGKILL
    database = Database.open(f"sqlite:///{tmp_path / 'metadata.db'}")
    tables = PyIcebergTableStore.open(tmp_path / "tables")
    move_segments(tmp_path / "log", tables, SegmentStore(database))
    assert sorted(tables.read(tables.snapshot(TABLE)).to_arrow()["prediction_id"].to_pylist()) == ["a", "b"]
    assert [one.row_count for one in SegmentStore(database).list()] == [2]
    database.close()
