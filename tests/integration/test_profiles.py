"""Profiles of real tables: made once, recorded, compared, shown on a page."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

import tidewheel
from tidewheel.cli import exit_code
from tidewheel.cli.app import app
from tidewheel.core.errors import ArtifactCorruptError, ArtifactMissingError, NotFoundError
from tidewheel.statistics.profile_pass import profile_table


def write_rows(folder, name: str, delay: float, rows: int = 400) -> str:
    random = np.random.default_rng(int(delay))
    table = pa.table(
        {
            "number": np.arange(rows),
            "carrier": random.choice(["UA", "AA", "<b>"], rows),
            "delay": random.normal(delay, 10, rows),
            "scheduled": pa.array(np.arange(rows) * 3_600_000_000, pa.timestamp("us", "UTC")),
        }
    )
    pq.write_table(table, folder / name)
    return str(folder / name)


@pytest.fixture
def project(tmp_path):
    (tmp_path / "tidewheel.toml").write_text('[project]\nname = "profiled"\n')
    return tmp_path


@pytest.fixture
def workspace(project):
    with tidewheel.open(project) as opened:
        opened.ingest("flights", [write_rows(project, "a.parquet", 5)])
        opened.ingest("flights", [write_rows(project, "b.parquet", 80)])
        yield opened


def test_a_profile_is_of_all_rows_of_its_snapshot(workspace):
    first, second = [one.snapshot_id for one in workspace.snapshots("flights") if one.row_count]
    assert workspace.profile("flights").row_count == 800
    assert workspace.profile("flights", snapshot=first).row_count == 400
    # The same batches as the files hold, hence the same bytes; text encodings leave no trace.
    rows = workspace.table("flights", snapshot=first).to_arrow()
    assert workspace.profile("flights", snapshot=first) == profile_table(rows)
    assert workspace.profile("flights", snapshot=second) == workspace.profile("flights")


def test_a_profile_is_made_once_and_recorded(workspace):
    found = workspace.profile("flights")
    (made,) = workspace.runs(pipeline="profile")
    execution = workspace.stores.executions.get(made.record.id, "profile")
    assert execution.outputs["profile"].codec == "profile/1"
    assert execution.inputs["table"].summary["table"] == "flights"
    assert execution.metrics == {"rows": 800, "columns": 4}
    assert workspace.profile("flights") == found
    assert len(workspace.runs(pipeline="profile")) == 1


def test_a_profile_whose_bytes_are_gone_is_made_again(workspace):
    found = workspace.profile("flights")
    (made,) = workspace.runs(pipeline="profile")
    artifact = workspace.stores.executions.get(made.record.id, "profile").outputs["profile"]
    workspace.stores.artifacts.path_of(artifact).unlink()
    assert workspace.profile("flights") == found


def test_a_damaged_file_is_named(workspace):
    reference = workspace.table("flights").reference
    path = Path(reference.files[-1].path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(ArtifactCorruptError, match=path.name):
        workspace.profile("flights")
    path.unlink()
    with pytest.raises(ArtifactMissingError, match=path.name):
        workspace.profile("flights")


def test_two_snapshots_are_compared(workspace):
    first = next(one.snapshot_id for one in workspace.snapshots("flights") if one.row_count)
    found = workspace.analyze("flights", compare=first, target="delay")
    assert max(len(repr(one)) for one in (found, found.profile, found.comparison)) < 200, "a notebook shows it whole"
    assert [column.name for column in found.comparison.moved] == ["delay"]
    assert "What has changed" in found.to_html()
    spared = workspace.analyze("flights", compare=first, ignore=["delay"])
    assert spared.comparison.moved == ()
    assert "not judged: ignored" in spared.to_html()


CONTRACT = """
from tidewheel.pipeline import Contract

flights = Contract("flights", unique=["number"], profile={"delay": None, "never there": None})
"""


def test_what_the_contract_exempts_is_compared_and_not_called_moved(workspace, project):
    first = next(one.snapshot_id for one in workspace.snapshots("flights") if one.row_count)
    path = write_rows(project, "c.parquet", 80)
    rows = pq.read_table(path)
    pq.write_table(rows.set_column(0, "number", pa.array(np.arange(400) + 5_000)), path)
    workspace.ingest("flights", [path])
    moved = workspace.analyze("flights", compare=first).comparison.moved
    assert {column.name for column in moved} == {"number", "delay"}
    (project / "flights_contract.py").write_text(CONTRACT)
    (project / "tidewheel.toml").write_text('[project]\nname = "profiled"\nmodules = ["flights_contract"]\n')
    with tidewheel.open(project) as declared:
        found = declared.analyze("flights", compare=first, ignore=["delay"])
    assert found.comparison.moved == ()
    exemptions = {one["name"]: one["exemption"] for one in found.to_dict()["comparison"]["columns"]}
    assert exemptions == {"number": "contract", "carrier": "", "delay": "ignored", "scheduled": "time"}
    assert all(column.jensen_shannon is not None for column in found.comparison.columns)
    assert "not judged: exempt by contract" in found.to_html()
    said = call(project, "flights", "--compare", str(first), "--to", str(project / "page.html"))
    assert "not judged: number (contract), delay (contract), scheduled (time)" in said.output


def test_a_table_without_rows_is_looked_at_and_an_unknown_one_told(workspace):
    table = workspace.stores.tables
    schema_only = table.create("empty", pa.table({"a": pa.array([], pa.int64())}))
    assert schema_only.row_count == 0
    assert workspace.profile("empty").row_count == 0
    assert workspace.analyze("empty").work[0].topic == "schema"
    with pytest.raises(NotFoundError):
        workspace.profile("flihgts")


def call(project, *arguments: str):
    return CliRunner().invoke(app, ["-C", str(project), "profile", *arguments])


def test_the_command_prints_a_summary_and_writes_a_page(workspace, project):
    shown = call(project, "flights", "--target", "delay")
    assert shown.exit_code == exit_code.SUCCEEDED, shown.output
    assert "carrier" in shown.output
    place = next((project / ".tidewheel" / "profiles").glob("flights-*.html"))
    assert str(place) in shown.output
    assert "&lt;b&gt;" in place.read_text(encoding="utf-8")
    assert "<b>UA" not in place.read_text(encoding="utf-8")


def test_the_command_speaks_json(workspace, project):
    first = next(one.snapshot_id for one in workspace.snapshots("flights") if one.row_count)
    shown = call(project, "flights", "--compare", str(first), "--to", str(project / "page.html"), "--json")
    found = json.loads(shown.output)
    assert found["rows"] == 800
    assert [column["name"] for column in found["columns"]] == ["number", "carrier", "delay", "scheduled"]
    assert [one["name"] for one in found["comparison"]["columns"] if one["has_moved"]] == ["delay"]
    assert found["page"] == str(project / "page.html")
    spared = call(project, "flights", "--compare", str(first), "--ignore", "delay", "--to", str(project / "page.html"))
    assert "moved: nothing" in spared.output
    assert f", compared with {first}: 800 rows" in spared.output
    assert f"compared with {first}</h1>" in (project / "page.html").read_text(encoding="utf-8")
    assert "delay (ignored)" in spared.output


@pytest.mark.parametrize(
    ("arguments", "told", "code"),
    [
        (("flihgts",), "flights", exit_code.NOT_FOUND),
        (("flights", "--target", "dely"), "delay", exit_code.NOT_FOUND),
        (("flights", "--time", "carrier"), "scheduled", exit_code.USAGE),
        (("flights", "--compare", "7"), "7", exit_code.NOT_FOUND),
        (("flights", "--ignore", "delay"), "--ignore is about a comparison", exit_code.USAGE),
    ],
)
def test_the_command_helps_with_mistakes(workspace, project, arguments, told, code):
    shown = call(project, *arguments)
    assert told in shown.output + shown.stderr
    assert shown.exit_code == code


def test_a_page_that_cannot_be_written_is_told(workspace, project):
    shown = call(project, "flights", "--to", str(project / "tidewheel.toml" / "page.html"))
    assert shown.exit_code != exit_code.SUCCEEDED
    assert "--to" in shown.stderr
