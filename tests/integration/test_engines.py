"""Queries to another engine, from pipelines, Python and the command line: what it said stays, its secret does not."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from tidewheel.cli.app import app
from tidewheel.core.errors import ConflictError, NotFoundError, ParameterError
from tidewheel.workspace import open_workspace

SERVER = Path(__file__).parents[1] / "flight_sql_server.py"
SECRET = "engine-secret"
PIPELINE = """
import pyarrow
from tidewheel.pipeline import pipeline, sql, step


@step
def total(rows: pyarrow.Table) -> int:
    return sum(rows["id"].to_pylist())


@pipeline
def summing(*, most: int = 5):
    rows = sql("select id, origin from flights where id < $most order by id", engine="lake", most=most)
    return {"total": total(rows)}


@pipeline
def lost():
    return {"total": total(sql("select id from flights", engine="laek"))}
"""


@pytest.fixture
def server():
    process = subprocess.Popen(
        [sys.executable, str(SERVER), "--rows", "200000"], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True
    )
    process.port = int(process.stdout.readline())
    yield process
    process.kill()
    process.communicate()


@pytest.fixture
def project(tmp_path, server, monkeypatch):
    monkeypatch.setenv("LAKE_PASSWORD", SECRET)
    (tmp_path / "tidewheel.toml").write_text(
        '[project]\nname = "lakes"\nmodules = ["lakes"]\n[engines.lake]\n'
        f'url = "grpc://127.0.0.1:{server.port}"\nuser = "ada"\npassword_variable = "LAKE_PASSWORD"\n'
    )
    (tmp_path / "lakes.py").write_text(PIPELINE)
    return tmp_path


def test_what_an_engine_answered_is_kept_and_steps_after_it_are_reused(project):
    with open_workspace(project) as workspace:
        first, second = workspace.submit("summing"), workspace.submit("summing")
        assert (first.status, second.status) == ("succeeded", "succeeded"), first.record.reason
        assert first["total"].outputs["output"].load() == 10
        asked = [run["sql"].outputs["output"].artifact for run in (first, second)]
        assert asked[0] == asked[1]
        assert (asked[0].type_name, asked[0].summary["rows"]) == ("pyarrow.lib.Table", 5)
        status = {one.node: one.status for one in workspace.stores.executions.list(second.id)}
        assert status == {"sql": "succeeded", "total": "cached"}
        engine = workspace.stores.executions.get(first.id, "sql").inputs["engine"]
        assert engine.summary == {"engine": "lake", "kind": "flight-sql", "url": workspace.config.engines["lake"].url}


def test_a_secret_is_nowhere_in_the_workspace(project):
    with open_workspace(project) as workspace:
        workspace.submit("summing")
        workspace.extract("copied", "select * from flights", engine="lake")
    for path in project.rglob("*"):
        if path.is_file():
            assert SECRET.encode() not in path.read_bytes(), path


def test_a_run_repeats_on_what_was_answered_when_the_engine_is_gone(project, server):
    (project / "lakes.py").write_text(PIPELINE.replace("return sum", "raise ValueError('not yet')\n    return sum"))
    with open_workspace(project) as workspace:
        failed = workspace.submit("summing")
        assert failed.status == "failed"
        server.send_signal(signal.SIGKILL)
        server.wait()
        (project / "lakes.py").write_text(PIPELINE)
        assert workspace.resume(failed.id)["total"].outputs["output"].load() == 10
        lost = workspace.submit("summing", most=6)
        assert lost.status == "failed"
        assert "engine 'lake' cannot be reached" in workspace.stores.executions.get(lost.id, "sql").failure.message


def test_an_unknown_engine_is_told_before_anything_runs(project):
    with open_workspace(project) as workspace:
        with pytest.raises(NotFoundError, match="did you mean 'lake'"):
            workspace.submit("lost")
        assert workspace.runs() == []
        with pytest.raises(NotFoundError, match="'laek'"):
            workspace.sql("select 1", engine="laek")


def test_an_answer_becomes_a_snapshot_that_stays(project):
    with open_workspace(project) as workspace:
        first = workspace.extract("flights", "select * from flights at snapshot '1'", engine="lake")
        second = workspace.extract("flights", "select * from flights where id < $n", engine="lake", n=20)
        assert (first.row_count, second.row_count) == (10, 20)
        assert workspace.table("flights", snapshot=first.snapshot_id).row_count == 10
        assert workspace.sql("select count(*) n from flights").to_pylist() == [{"n": 20}]
        run = workspace.runs(pipeline="extract")[0]
        (execution,) = workspace.stores.executions.list(run.id)
        assert execution.outputs["snapshot"].digest == second.digest
        assert execution.inputs["engine"].summary["engine"] == "lake"
        assert workspace.extract("few", "select * from flights where id < $n", n=3).row_count == 3
        with pytest.raises(ParameterError, match="has its own"):
            workspace.sql("select 1 from flights", engine="lake", snapshots={"flights": first.snapshot_id})


def test_rows_of_a_query_do_not_get_around_a_contract(project):
    declared = "from tidewheel.pipeline import Contract\n"
    (project / "lakes.py").write_text(declared + 'flights = Contract("flights")\n' + PIPELINE)
    with open_workspace(project) as workspace:
        with pytest.raises(ConflictError, match="has a contract"):
            workspace.extract("flights", "select * from flights", engine="lake")
        assert workspace.tables() == ()


def test_an_engine_that_dies_in_the_middle_leaves_the_table_as_it_was(project):
    with open_workspace(project) as workspace:
        before = workspace.extract("copied", "select * from flights where id < 3", engine="lake")
        with pytest.raises(Exception, match="in the middle of a result"):
            workspace.extract("copied", "select * from flights /* die */", engine="lake")
        assert workspace.stores.tables.snapshot("copied") == before


def test_the_command_line_asks_an_engine(project):
    def tidewheel(*arguments):
        return CliRunner().invoke(app, ["-C", str(project), "sql", *arguments])

    listed = tidewheel("--engine", "lake", "select id, origin from flights order by id", "--limit", "2", "--json")
    assert json.loads(listed.output) == [{"id": 0, "origin": "x0"}, {"id": 1, "origin": "x1"}]
    assert "more rows" in tidewheel("--engine", "lake", "select id from flights", "--limit", "2").output
    assert json.loads(tidewheel("--engine", "lake", "select 7 n", "--into", "kept", "--json").output)["row_count"] == 1
    assert json.loads(tidewheel("select n from kept", "--json").output) == [{"n": 7}]
    assert tidewheel("--engine", "laek", "select 1").exit_code == 3
    assert tidewheel("--engine", "lake", "select 1 from nothing").exit_code == 3
    del os.environ["LAKE_PASSWORD"]
    unset = tidewheel("--engine", "lake", "select 1")
    assert (unset.exit_code, "LAKE_PASSWORD" in unset.output) == (2, True)
    os.environ["LAKE_PASSWORD"] = "wrong"
    assert tidewheel("--engine", "lake", "select 1").exit_code == 1
