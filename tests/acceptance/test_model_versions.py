"""`tidewheel models` on a project that lives: found, shown, compared, set aside and deleted, each with its record."""

from __future__ import annotations

import subprocess

import pytest
from click.testing import CliRunner

import toy_project
from tidewheel.cli.app import app
from tidewheel.workspace.champions import registry
from tidewheel.workspace.verdicts import verdict_of


def test_models_without_a_command_lists_as_it_did(life):
    assert life.tell("models") == life.tell("models", "list")
    assert life.json("models", "toy") == life.json("models", "list", "toy")
    assert "champion" in life.tell("models", "toy")


@pytest.mark.parametrize(
    ("conditions", "found"),
    [
        (["--metric", "roc_auc > 0.5"], [2, 1]),
        (["--metric", "roc_auc > 0.95"], []),
        (["--parameter", "months=1"], [2, 1]),
        (["--parameter", "recent.months=1"], [2, 1]),
        (["--state", "rejected"], []),
        (["--snapshot", "points", "--sort", "roc_auc", "--ascending"], [2, 1]),
        (["--commit", "ffffffff"], []),
    ],
)
def test_versions_are_found_by_what_they_rest_on(life, conditions, found):
    assert [one["version"] for one in life.json("models", "list", "toy", *conditions)["versions"]] == found


def test_versions_are_found_by_their_commit_and_snapshot(life):
    done = subprocess.run(["git", "rev-parse", "HEAD"], cwd=life.folder, capture_output=True, text=True, check=True)
    found = life.json("models", "list", "toy", "--commit", done.stdout[:8])["versions"]
    assert [one["version"] for one in found] == [2, 1]
    (snapshot,) = found[1]["snapshots"]
    for name in (f"points@{snapshot['snapshot_id']}", snapshot["digest"][:12]):
        assert [one["version"] for one in life.json("models", "list", "toy", "--snapshot", name)["versions"]] == [1]
    assert "no version is like that" in life.tell("models", "list", "--snapshot", "points@1")


def test_a_condition_that_is_mistyped_is_refused(life):
    assert "did you mean 'roc_auc'?" in life.tell("models", "list", "--metric", "roc_au > 1", code=3)
    assert "no condition on a metric" in life.tell("models", "list", "--metric", "roc_auc", code=2)
    assert "write NAME=VALUE" in life.tell("models", "list", "--parameter", "months", code=2)


def test_show_tells_all_that_is_recorded(life):
    details = life.json("models", "show", "toy")
    assert (details["version"]["version"], details["aliases"]) == (2, ["champion"])
    assert details["endpoints"] == ["live in dev"]
    assert details["states"][0]["to_state"] == "approved"  # other tests may have moved it on since
    assert (details["moves"][0]["from_version"], details["moves"][0]["to_version"]) == (1, 2)
    names = details["version"]["parameters"]
    assert names["recent.months"] == 1  # by their step: two may call different things alike
    told = life.tell("models", "show", "toy", "1")
    assert "the first" in told
    lines = [line.split() for line in told.splitlines()]
    assert lines[lines.index(["recent"]) + 1] == ["months", "1"]
    assert ["resamples", "50"] in lines[lines.index(["model_validation"]) : lines.index(["recent"])]
    assert details["commit"][:12] in told
    assert "known: 2, 1" in life.tell("models", "show", "toy", "9", code=3)


def test_compare_shows_what_differs(life):
    found = life.json("models", "compare", "toy", "1", "2")
    assert (found["model"], found["versions"]) == ("toy", [1, 2])
    assert found["state"]["aliases"] == {"values": [None, "champion"], "is_equal": False}
    assert found["metrics"]["roc_auc"] == {"values": [0.9, 0.9], "is_equal": True}
    assert not found["data"]["points"]["is_equal"]
    assert found["code"]["commit"]["is_equal"]
    compared = life.toy.workspace.models.compare("toy", [1, 2])
    assert repr(compared).startswith("<comparison of toy v1, v2: ")
    assert "<th>v2</th>" in compared._repr_html_()
    told = life.tell("models", "compare", "toy", "1", "2")
    assert "points" in told
    assert "roc_auc" not in told
    assert "roc_auc" in life.tell("models", "compare", "toy", "1", "2", "--all")
    assert "two versions at least" in life.tell("models", "compare", "toy", "1", code=2)


@pytest.fixture
def spare(life):
    """Two versions of another model, on the facts of the first one's run; the second is its champion."""
    stores = life.toy.stores
    for number in (1, 2):
        package = stores.artifacts.put(f"package {number}")
        life.register("spare", package, state="approved", reason="no gate judged it")
    life.tell("promote", "spare", "2")
    return "spare"


def test_a_version_is_pinned_set_aside_and_deleted_and_why_still_tells_it(life, spare):
    assert "is its champion" in life.tell("models", "delete", spare, "2", "--reason", "x", code=5)
    life.tell("models", "alias", spare, "audited", "1")
    assert life.json("models", spare)["aliases"] == {spare: {"champion": 2, "audited": 1}}
    assert " audited " in life.tell("models", spare)
    assert "alias spare audited --remove" in life.tell("models", "delete", spare, "1", "--reason", "x", code=5)
    assert "a version or --remove" in life.tell("models", "alias", spare, "audited", code=2)
    life.tell("models", "alias", spare, "audited", "--remove")
    assert "does not exist" in life.tell("models", "alias", spare, "audited", "--remove", code=3)
    assert life.json("models", "state", spare, "1", "retired", "--reason", "faulty rows")["state"] == "retired"
    assert "cannot become approved" in life.tell("models", "state", spare, "1", "approved", "--reason", "x", code=5)
    assert "v1 is deleted" in life.tell("models", "delete", spare, "1", "--reason", "a year old")
    assert "it holds nothing" in life.tell("models", "untag", spare, "1")
    assert "is approved, and what it was made from stays" in life.tell("models", "untag", spare, "2", code=5)
    assert [one["version"] for one in life.json("models", spare)["versions"]] == [2]
    assert [one["version"] for one in life.json("models", "list", spare, "--state", "deleted")["versions"]] == [1]
    why = life.json("why", spare, "--version", "1")
    package = next(one for one in why["links"] if one["noun"] == "package")
    assert package["text"].startswith("v1, deleted on ")
    assert package["text"].endswith(": a year old")
    assert {"run", "verdict", "snapshot", "event"} <= {one["noun"] for one in why["links"]}
    assert all(one["is_found"] for one in why["links"])
    assert "v1 is deleted" in life.tell("promote", spare, "1", "--force", code=5)
    operations = [one["pipeline"] for one in life.json("runs", "--all", "--limit", "20")]
    assert {"delete", "alias", "set state"} <= set(operations)
    states = life.json("models", "show", spare, "1")["states"]
    assert [one["to_state"] for one in states] == ["approved", "retired", "deleted"]


def test_a_model_that_is_declared_but_was_never_registered_is_told_so(tmp_path):
    folder = str(toy_project.write_project(tmp_path / "project"))
    for arguments in (["show", "toy"], ["toy"]):
        told = CliRunner().invoke(app, ["-C", folder, "models", *arguments])
        assert told.exit_code == 3
        assert "version of model 'toy' does not exist" in told.output
        assert "it is declared, but was never registered: `tidewheel run training` does that" in told.output
    assert "did you mean 'toy'?" in CliRunner().invoke(app, ["-C", folder, "models", "show", "tyo"]).output


def test_a_model_whose_versions_are_all_deleted_is_told_and_no_traceback(life):
    stores = life.toy.stores
    first = stores.models.get("toy", 1)
    registry(stores).register(
        "gone",
        stores.artifacts.put("a package of its own"),
        run=stores.runs.get(first.run_id),
        metrics={},
        parameters={},
        snapshots=first.snapshots,
        verdict_digest="",
        state="rejected",
        reason="worse",
        at=first.at,
    )
    life.tell("models", "delete", "gone", "1", "--reason", "worse")
    for command in ("show", "card", "verify"):
        assert "all deleted" in life.tell("models", command, "gone", code=3)
    assert life.json("models", "show", "gone", "1")["version"]["state"] == "deleted"


def test_predict_answers_a_table_into_another_and_why_tells_it(life):
    said = life.tell("predict", "toy", "--table", "points", "--to", "all_points", "--version", "1")
    assert "600 of 600 rows" in said
    assert "column 'label' is left out" in said
    result = life.json("predict", "toy", "--table", "points", "--to", "all_points", "--version", "1")
    assert (result["rows"], result["is_new"]) == (600, False)
    assert life.json("sql", "select count(*) n, count(probability) p from all_points") == [{"n": 600, "p": 600}]
    assert life.tell("why", "all_points").startswith(f"why all_points@{result['snapshot']['snapshot_id']}")
    assert "no table for the answers" in life.tell("predict", "toy", "--table", "points", code=2)
    assert "did you mean 'points'" in life.tell("predict", "toy", "--table", "point", "--to", "x", code=3)
    assert "no batch prediction wrote" in life.tell("predict", "toy", "--table", "points", "--to", "labels", code=5)
    assert "name a JSON file, - for standard input, or --table" in life.tell("predict", "toy", code=2)


def test_what_a_version_is_told_by_is_one_line_in_a_notebook(life):
    workspace = life.toy.workspace
    verdict = verdict_of(life.toy.stores, "toy", 2)
    runs = [one.id for one in workspace.runs(limit=2)]
    told = [workspace.model_card("toy", 1), workspace.why("toy", 1), workspace.compare(*runs), verdict]
    begins = [
        "<card of toy v1, ",
        "<why toy v1: ",
        f"<comparison of runs {', '.join(runs)}: ",
        "<verdict against v1: passed",
    ]
    for one, begin in zip(told, begins, strict=True):
        assert repr(one).startswith(begin)
        assert len(repr(one)) < 160
        assert "\n" not in repr(one)
