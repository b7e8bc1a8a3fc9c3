"""Contracts as a person uses them: declared in a project, held by `tidewheel ingest`, drafted, checked, shown."""

from __future__ import annotations

import ast
import json

import pytest

from small_project import SMALL, SmallProject
from tidewheel.core.errors import ContractBrokenError, DefinitionError, NotFoundError, ParameterError

CONTRACT = """
import pandera.pandas as pa
from tidewheel.pipeline import Contract, RowRule

readings = Contract(
    "readings",
    pa.DataFrameSchema({
        "id": pa.Column(int),
        "kind": pa.Column(str, pa.Check.isin(KINDS)),
        "value": pa.Column(float, [pa.Check.in_range(0, 10), pa.Check(lambda values: values != 7, name="no seven")]),
    }),
    unique=["id"],
    rules=[RowRule("small ones are a", "value > 1 or kind = 'a'")],
    policies={"small ones are a": "stop"},
)
"""
HEAD = "id,kind,value\n"


def source(kinds="['a', 'b']"):
    return SMALL + f"\nKINDS = {kinds}\n" + CONTRACT


@pytest.fixture
def project(tmp_path):
    return SmallProject(tmp_path / "project", source())


def read_json(said):
    """What a command printed for programs, without what libraries say on standard error when the process ends."""
    return json.JSONDecoder().raw_decode(said)[0]


def write(project, name, text, head=HEAD):
    (project.folder / name).write_text(head + text)
    return name


def test_an_ingest_publishes_quarantines_and_tells_why(project):
    file = write(project, "a.csv", "1,a,1\n2,c,2\n3,b,7\n4,b,8\n")
    said = project.tidewheel("ingest", "readings", file)
    assert "readings: 2 rows added from 1 file, 2 rows in quarantine" in said
    assert "kind.domain" in said
    assert "value.no seven" in said
    assert read_json(project.tidewheel("sql", "select id from readings order by 1", "--json")) == [
        {"id": 1},
        {"id": 4},
    ]
    (batch,) = read_json(project.tidewheel("quarantine", "list", "--json"))
    assert batch["reasons"] == {"kind.domain": 1, "value.no seven": 1}
    assert "a.csv" in project.tidewheel("quarantine", "show", "readings")


def test_an_ingest_all_of_whose_rows_go_to_quarantine_says_so(project):
    said = project.tidewheel("ingest", "readings", write(project, "a.csv", "2,c,2\n"))
    assert "no row was published: see `tidewheel quarantine show readings`" in said
    assert "readings: 0 rows added from 1 file, 1 row in quarantine" in said


def test_an_ingest_of_too_many_bad_rows_stops_as_a_whole(project):
    limited = source().replace('unique=["id"],', 'unique=["id"], max_quarantine_share=0.5,')
    (project.folder / "small.py").write_text(limited)
    file = write(project, "a.csv", "1,a,1\n2,,2\n3,,3\n")
    said = project.tidewheel("ingest", "readings", file, code=2)
    assert "quarantine_share (at most 50.0% of a batch go to quarantine): 2 of 3 rows would (66.7%)" in said
    assert read_json(project.tidewheel("quarantine", "list", "--json")) == []


def test_the_audit_is_kept_with_the_execution(project):
    with project.open() as workspace:
        workspace.ingest("readings", [project.folder / write(project, "a.csv", "1,a,1\n2,c,2\n")])
        (run,) = workspace.runs(pipeline="ingest")
        (execution,) = workspace.stores.executions.list(run.record.id)
        assert execution.metrics == {
            "audited": 2.0, "published": 1.0, "quarantined": 1.0, "clipped": 0.0, "findings": 1.0, "rows": 1.0,
            "files_skipped": 0.0, "moved": 0.0,
        }  # fmt: skip
        report = workspace.stores.artifacts.load(execution.outputs["audit"])
        assert (
            report["contract_digest"] == execution.parameters["contract"] == workspace.contracts.get("readings").digest
        )
        assert report["findings"][0]["samples"][0] == {"id": 2, "kind": "c", "value": 2.0}


def test_a_stopped_ingest_says_every_finding_has_an_exit_code_and_keeps_its_audit(project):
    file = write(project, "a.csv", "1,b,0.5\n2,c,2\n")
    said = project.tidewheel("ingest", "readings", file, code=2)
    assert "small ones are a" in said
    assert "kind.domain" in said
    skew = write(project, "b.csv", "1,a,x\n", head="id,kind,valeu\n")
    said = project.tidewheel("ingest", "readings", skew, "--json", code=2)
    assert len(read_json(said)["error"]["problems"]) == 2
    with project.open() as workspace:
        assert workspace.tables() == ()
        for run in workspace.runs(pipeline="ingest"):
            (execution,) = workspace.stores.executions.list(run.record.id)
            assert execution.status == "failed"
            assert workspace.stores.artifacts.load(execution.outputs["audit"])["findings"]


def test_quarantine_is_released_after_the_contract_changed(project):
    project.tidewheel("ingest", "readings", write(project, "a.csv", "1,a,1\n2,c,2\n3,b,7\n"))
    assert "0 rows released, 2 stay" in project.tidewheel("quarantine", "release", "readings")
    (project.folder / "small.py").write_text(source("['a', 'b', 'c']"))
    said = project.tidewheel("quarantine", "release", "readings")
    assert "1 row released, 1 stay" in said
    assert read_json(project.tidewheel("sql", "select id from readings order by 1", "--json")) == [
        {"id": 1},
        {"id": 2},
    ]
    (batch,) = read_json(project.tidewheel("quarantine", "list", "readings", "--json"))
    assert batch["reasons"] == {"value.no seven": 1}
    assert f"1 stay as {batch['ingest_id']}" in said
    assert "1 row dropped" in project.tidewheel("quarantine", "drop", "readings", "--ingest", batch["ingest_id"])
    assert "nothing is in quarantine" in project.tidewheel("quarantine", "list")
    project.tidewheel("quarantine", "drop", "readings", "--ingest", "nonesuch", code=3)


def test_quarantine_is_released_as_it_is_when_no_contract_is_left(project):
    with project.open() as workspace:
        workspace.ingest("readings", [project.folder / write(project, "a.csv", "1,a,1\n2,c,2\n")])
        (project.folder / "small.py").write_text(SMALL)
        (result,) = workspace.quarantine.release("readings")
        assert (result.released, workspace.table("readings").row_count) == (1, 2)


def test_a_contract_is_drafted_edited_and_kept(project):
    (project.folder / "small.py").write_text(SMALL)
    rows = "".join(
        f"{n},{'ab'[n % 2]},{n / 10 if n % 5 else ''},2013-01-{n % 28 + 1:02}T00:00:00Z\n" for n in range(100)
    )
    project.tidewheel("ingest", "plain", write(project, "p.csv", rows, head="id,kind,value,at\n"))
    project.tidewheel("contract", "infer", "plain", "--to", "drafted.py")
    text = (project.folder / "drafted.py").read_text()
    assert 'pa.Check.isin(["a", "b"])' in text
    assert 'unique=["id"]' in text
    (project.folder / "small.py").write_text(SMALL + "\nfrom drafted import plain as plain\n")
    assert "keeps its contract" in project.tidewheel("contract", "check", "plain")
    assert "plain" in project.tidewheel("contract", "list")
    shown = project.tidewheel("contract", "show", "plain")
    assert "id.unique" in shown
    assert "quarantine" in shown
    assert '"id": pa.Column(int),' in text  # a key counts on
    project.tidewheel("contract", "infer", "plain", "--to", "drafted.py", code=2)
    assert "cannot be written" in project.tidewheel("contract", "infer", "plain", "--to", "none/drafted.py", code=6)


@pytest.mark.parametrize("count", [31, 45, 61])
def test_a_key_of_a_small_table_is_drafted_and_one_of_two_columns_proposed(project, count):
    plants = "".join(f"p{n},{n % 3}\n" for n in range(count))
    project.tidewheel("ingest", "plants", write(project, "p.csv", plants, head="plant,kind\n"))
    assert "unique=['plant']" in project.tidewheel("contract", "infer", "plants").replace('"', "'")
    daily = "".join(f"p{n % 4},2013-01-{n // 4 + 1:02}\n" for n in range(count))
    project.tidewheel("ingest", "daily", write(project, "d.csv", daily, head="plant,day\n"))
    drafted = project.tidewheel("contract", "infer", "daily").replace('"', "'")
    assert "# unique=[('plant', 'day')],  no two rows share these so far" in drafted


def test_a_drafted_contract_is_python_whatever_columns_are_called(project):
    project.tidewheel("ingest", "odd", write(project, "o.csv", "1,2\n", head='"say ""hi""",back\\slash\n'))
    text = project.tidewheel("contract", "infer", "odd")
    (columns,) = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Dict) and len(node.keys) == 2)
    assert [key.value for key in columns.keys] == ['say "hi"', "back\\slash"]


def test_nothing_but_what_broke_a_contract_comes_into_a_quarantine(project):
    told = project.tidewheel("ingest", "quarantine.odd", write(project, "q.csv", "1\n", head="n\n"), code=2)
    assert "'quarantine.odd' is a quarantine" in told


def test_a_table_is_checked_at_any_snapshot_and_a_broken_one_has_an_exit_code(project):
    (project.folder / "small.py").write_text(SMALL)
    project.tidewheel("ingest", "readings", write(project, "a.csv", "1,a,1.5\n"))
    first = read_json(project.tidewheel("tables", "readings", "--json"))[-1]["snapshot_id"]
    project.tidewheel("ingest", "readings", write(project, "b.csv", "1,c,7.5\n2,b,7.0\n"))
    (project.folder / "small.py").write_text(source())
    assert "keeps" in project.tidewheel("contract", "check", "readings", "--snapshot", str(first))
    report = read_json(project.tidewheel("contract", "check", "readings", "--json", code=2))
    assert [finding["rule"] for finding in report["findings"]] == ["kind.domain", "value.no seven", "id.unique"]


def test_wrong_declarations_and_missing_contracts_are_told(project):
    with project.open() as workspace:
        with pytest.raises(NotFoundError, match="contract 'reading' does not exist"):
            workspace.contracts.get("reading")
        with pytest.raises(NotFoundError):
            workspace.contracts.infer("nothing")
        path = project.folder / write(project, "a.csv", "1,a,1\n")
        with pytest.raises(ParameterError, match="exists"):
            workspace.ingest("readings", [path])
            workspace.contracts.infer("readings", to=path)
        (project.folder / "small.py").write_text(source() + "\nagain = Contract('readings', unique=['kind'])\n")
        with pytest.raises(DefinitionError, match="two contracts"):
            workspace.contracts.list()
        (project.folder / "small.py").write_text(source().replace("in_range(0, 10)", "in_range(0, 10), pa.Check.ge(1)"))
        assert any(rule.name == "value.range-2" for rule in workspace.contracts.get("readings").rules)


def test_an_ingest_is_refused_while_the_project_cannot_be_read(project):
    """Without its contract nobody knows which rows may be published."""
    (project.folder / "small.py").write_text(source() + "\n1 / 0\n")
    said = project.tidewheel("ingest", "readings", write(project, "a.csv", "1,a,1\n"), code=2)
    assert "ZeroDivisionError" in said


def test_a_slow_check_that_fails_stops_the_ingest(project):
    (project.folder / "small.py").write_text(source().replace("values != 7", "values.nonsense"))
    with project.open() as workspace, pytest.raises(ContractBrokenError, match=r"'value\.no seven'.*AttributeError"):
        workspace.ingest("readings", [project.folder / write(project, "a.csv", "1,a,1\n")])


def test_what_moved_is_told_kept_with_what_it_was_compared_with_and_in_why(project):
    from tidewheel.workspace.why import audit_links

    def lines(first, value):
        return "".join(f"{first + n},a,{value}\n" for n in range(300))

    project.tidewheel("ingest", "readings", write(project, "a.csv", lines(0, 1)))
    assert "has moved" not in project.tidewheel("ingest", "readings", write(project, "b.csv", lines(300, 1)))
    said = project.tidewheel("ingest", "readings", write(project, "c.csv", lines(600, 5)))
    assert "flag        value has moved against the 2 batches before: distance 1.00, median 1 -> 5" in said
    said = project.tidewheel("ingest", "readings", write(project, "d.csv", lines(900, 9)), "--json")
    (finding,) = read_json(said)["report"]["findings"]
    assert (finding["rule"], finding["policy"], finding["severity"]) == ("value.profile", "flag", "warning")
    with project.open() as workspace:
        run = max((run.record for run in workspace.runs(pipeline="ingest")), key=lambda run: run.id)
        (execution,) = workspace.stores.executions.list(run.id)
        assert execution.metrics["moved"] == 1.0
        assert sorted(execution.inputs) == ["profile-1", "profile-2", "profile-3"]
        assert workspace.stores.artifacts.load(execution.outputs["profile"]).row_count == 300
        (link,) = audit_links(workspace.stores, "readings", workspace.snapshots("readings")[-1].snapshot_id, depth=2)
        assert link.text.endswith(", 1 column moved against the batches before")
        for artifact in execution.inputs.values():
            workspace.stores.artifacts.path_of(artifact).unlink()
        result = workspace.ingest("readings", [project.folder / write(project, "e.csv", lines(1200, 9))])
        assert result.report.findings == (), "the only profile that is left is that of the batch before"
    assert "*: flag, id: not compared" in project.tidewheel("contract", "show", "readings")


def test_why_tells_how_the_rows_of_a_snapshot_were_audited(project):
    from tidewheel.workspace.why import audit_links

    with project.open() as workspace:
        workspace.ingest("readings", [project.folder / write(project, "a.csv", "1,a,1\n2,c,2\n")])
        snapshot = workspace.ingest("readings", [project.folder / write(project, "b.csv", "3,a,1\n")]).snapshot
        (link,) = audit_links(workspace.stores, "readings", snapshot.snapshot_id, depth=2)
        assert link.ref == workspace.contracts.get("readings").digest
        assert link.text.startswith("2 of 2 ingests were held against a contract; the last: published 1, quarantined 0")
        (project.folder / "small.py").write_text(SMALL)
        workspace.ingest("plain", [project.folder / "a.csv"])
        assert list(audit_links(workspace.stores, "plain", workspace.snapshots("plain")[-1].snapshot_id, depth=2)) == []
