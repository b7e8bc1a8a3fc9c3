"""Maintenance beside writers and readers, killed at any moment, and as a recorded operation of a workspace."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from datetime import timedelta

import pyarrow as pa
import pytest
from click.testing import CliRunner

from tidewheel.cli.app import app
from tidewheel.core.clock import utc_now
from tidewheel.core.errors import NotFoundError
from tidewheel.loop import tick
from tidewheel.metadata_store import Pin
from tidewheel.table_store import PyIcebergTableStore
from tidewheel.workspace import open_workspace

APPEND = """
import sys, pathlib, pyarrow as pa
from tidewheel.table_store import PyIcebergTableStore
store = PyIcebergTableStore.open(pathlib.Path(sys.argv[1]))
for n in range(int(sys.argv[3])):
    store.append("t", pa.table({"writer": [int(sys.argv[2])] * 10, "n": [n] * 10}))
"""

MAINTAIN = """
import sys, pathlib
from datetime import timedelta
from tidewheel.core.clock import utc_now
from tidewheel.table_store import MaintenancePolicy, PyIcebergTableStore
care = PyIcebergTableStore.open(pathlib.Path(sys.argv[1])).maintenance
policy = MaintenancePolicy(min_files=2)
print("ready", flush=True)
while True:
    care.compact("t", policy)
    gone = care.expire("t", older_than=utc_now() - timedelta(days=1), keep_snapshots=int(sys.argv[2]), keep=tuple)
    care.remove_orphans("t", timedelta(seconds=float(sys.argv[3])))
    if sys.argv[4] == "once":
        break
"""

SCHEMA = pa.schema({"writer": pa.int64(), "n": pa.int64()})


def start(code, *arguments):
    return subprocess.Popen([sys.executable, "-c", code, *map(str, arguments)], stdout=subprocess.PIPE, text=True)


def test_writers_and_readers_notice_nothing_of_maintenance(tmp_path):
    store = PyIcebergTableStore.open(tmp_path)
    store.create("t", SCHEMA)
    care = start(MAINTAIN, tmp_path, 20, 3600, "always")
    writers = [start(APPEND, tmp_path, writer, 8) for writer in range(2)]
    counts = [0]
    try:
        while any(writer.poll() is None for writer in writers):
            snapshot = store.snapshot("t")
            rows = store.read(snapshot).to_arrow()
            assert rows.num_rows == snapshot.row_count
            counts.append(rows.num_rows)
    finally:
        care.kill()
        care.communicate()
    assert [(writer.communicate(), writer.returncode)[1] for writer in writers] == [0, 0]
    assert counts == sorted(counts)
    rows = store.read(store.snapshot("t")).to_arrow().to_pylist()
    for writer in range(2):
        assert [row["n"] for row in rows if row["writer"] == writer] == [n for n in range(8) for _ in range(10)]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_maintenance_killed_at_any_moment_leaves_every_row_and_a_rerun_finishes(tmp_path, seed):
    chance = random.Random(seed)
    store = PyIcebergTableStore.open(tmp_path)
    store.create("t", SCHEMA)
    expected = []
    for round_number in range(6):
        for n in range(8):
            store.append("t", pa.table({"writer": [round_number] * 3, "n": [n] * 3}))
            expected += [(round_number, n)] * 3
        digest = store.snapshot("t").digest
        process = start(MAINTAIN, tmp_path, 3, 0, "always")
        assert process.stdout.readline() == "ready\n"
        time.sleep(chance.uniform(0, 1.2))  # the moment of the kill: any is as good as another
        process.kill()
        process.communicate()
        snapshot = store.snapshot("t")
        assert snapshot.digest == digest
        store.read(snapshot).verify()
        rows = store.read(snapshot).to_arrow()
        assert list(zip(rows["writer"].to_pylist(), rows["n"].to_pylist(), strict=True)) == expected
    finishing = start(MAINTAIN, tmp_path, 3, 0, "once")
    finishing.communicate()
    assert finishing.returncode == 0
    assert len(store.snapshots("t")) <= 3
    for snapshot in store.snapshots("t"):
        store.read(snapshot).verify()
    named = {file.path for one in store.snapshots("t") for file in store.reference(one).files}
    assert {str(path) for path in tmp_path.rglob("*.parquet")} == named


@pytest.fixture
def project(tmp_path):
    (tmp_path / "tidewheel.toml").write_text('[project]\nname = "care"\n[tables]\nkeep_snapshots = 2\nmin_files = 2\n')
    return tmp_path


def fill(workspace, appends=6):
    workspace.stores.tables.create("t", SCHEMA)
    for n in range(appends):
        workspace.stores.tables.append("t", pa.table({"writer": [1], "n": [n]}))
    return workspace.snapshots("t")


def test_a_compaction_is_an_execution_with_a_request_behind_it(project):
    with open_workspace(project) as workspace:
        before = fill(workspace)[-1]
        (result,) = workspace.maintain()
        run = workspace.runs(pipeline="compact")[0]
        (execution,) = workspace.stores.executions.list(run.id)
        event = workspace.event(run.record.event_id)
        assert (event.kind, execution.status, execution.step) == ("request", "succeeded", "compact")
        assert execution.inputs["before"].summary["snapshot_id"] == str(before.snapshot_id)
        assert execution.outputs["after"].digest == execution.inputs["before"].digest == before.digest
        assert execution.metrics["snapshots_expired"] == len(result.expired)
        assert workspace.stores.snapshots.get("t", result.compaction.after.snapshot_id) == result.compaction.after


def test_what_a_run_has_pinned_or_a_version_was_trained_on_does_not_expire(project):
    with open_workspace(project) as workspace:
        made = fill(workspace)
        pins, tables = workspace.stores.pins, workspace.stores.tables
        pins.put(Pin(table="t", snapshot_id=made[1].snapshot_id, run_id="r", expires_at=utc_now() + timedelta(days=1)))
        pins.put(Pin(table="t", snapshot_id=made[2].snapshot_id, run_id="s", expires_at=utc_now()))
        tables.tag("t", made[3].snapshot_id, "delay-v1")
        workspace.maintain("t")
        left = {one.snapshot_id for one in workspace.snapshots("t")}
        assert {made[1].snapshot_id, made[3].snapshot_id} < left
        assert not {made[0].snapshot_id, made[2].snapshot_id, made[4].snapshot_id} & left
        assert workspace.table("t", snapshot=made[1].snapshot_id).to_arrow()["n"].to_pylist() == [0]


def test_maintenance_on_the_command_line(project):
    with open_workspace(project) as workspace:
        fill(workspace)
    run = CliRunner().invoke(app, ["-C", str(project), "tables", "maintain", "t", "--json"])
    assert run.exit_code == 0, run.output
    (result,) = json.loads(run.output)
    assert (result["table"], result["compaction"]["files_removed"]) == ("t", 6)
    said = CliRunner().invoke(app, ["-C", str(project), "tables", "maintain"])
    assert (said.exit_code, said.output) == (0, "t: nothing to do\n")
    assert CliRunner().invoke(app, ["-C", str(project), "tables", "maintain", "x"]).exit_code == 3
    listed = json.loads(CliRunner().invoke(app, ["-C", str(project), "tables", "--json"]).output)
    assert [one["name"] for one in listed] == ["t"]
    snapshots = json.loads(CliRunner().invoke(app, ["-C", str(project), "tables", "t", "--json"]).output)
    assert len(snapshots) == 2


def test_an_unknown_table_is_told_and_nothing_recorded(project):
    with open_workspace(project) as workspace:
        with pytest.raises(NotFoundError, match="'flihgts'"):
            workspace.maintain("flihgts")
        assert workspace.runs(pipeline="compact") == []


def test_a_tick_cares_for_tables_only_when_it_is_told_to_and_enough_was_added(project):
    config = project / "tidewheel.toml"
    config.write_text(config.read_text().replace('name = "care"', 'name = "care"\nmodules = ["nothing"]'))
    (project / "nothing.py").write_text("")
    with open_workspace(project) as workspace:
        fill(workspace, appends=30)
        assert "cared for" not in str(tick(workspace).lines)
    config.write_text(config.read_text() + "is_maintained_by_tick = true\n")
    with open_workspace(project) as workspace:
        assert "table t is cared for" in tick(workspace).lines
        assert len(workspace.snapshots("t")) == 2
        assert "cared for" not in str(tick(workspace).lines)
