"""Each command on a project that lives: what it does, what it prints for programs, and how it refuses."""

from __future__ import annotations

import json
import shlex
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from tidewheel.cli.app import COMMANDS, app
from tidewheel.cli.reference import example_of, leaves, reference

from source_tree import ROOT


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_command_says_what_it_does_with_an_example_that_can_be_typed(name):
    for full, command, _ in leaves(name):
        shown = CliRunner().invoke(app, [*full.split(), "--help"])
        assert shown.exit_code == 0
        example = example_of(command)
        assert (command.help or "").strip()
        assert " ".join(example.split())[:40] in " ".join(shown.output.split())
        line = next(part for part in example.split("|") if part.strip().startswith("tidewheel"))
        words = shlex.split(line.partition("&&")[0])
        if not " ".join(words).startswith(f"tidewheel {full}"):  # what a group does when no command of it is named
            words[1:2] = full.split()
        assert words[: 1 + len(full.split())] == ["tidewheel", *full.split()]
        command.make_context(full, words[1 + len(full.split()) :])  # raises a usage error where the arguments are none


def test_the_page_of_the_command_line_is_that_of_the_commands():
    page = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    assert page == reference(), "make it again: python -m tidewheel.cli.reference > docs/cli.md"


def test_init_writes_a_project_and_refuses_to_write_another(life):
    assert "wrote tidewheel.toml" in life.said["init"]
    assert (life.folder / "tidewheel.toml").read_text().startswith('[project]\nname = "toy"\nmodules = ["toy"]\n')
    assert "there is a tidewheel.toml already" in life.tell("init", code=2)


def test_init_takes_a_name_that_fits_and_refuses_one_that_does_not(tmp_path):
    folder = tmp_path / "my project"
    folder.mkdir()
    refused = CliRunner().invoke(app, ["-C", str(folder), "init", "--name", 'my "project"'])
    assert (refused.exit_code, list(folder.iterdir())) == (2, [])
    assert CliRunner().invoke(app, ["-C", str(folder), "init"]).exit_code == 0
    assert 'name = "my-project"' in (folder / "tidewheel.toml").read_text()
    assert CliRunner().invoke(app, ["-C", str(folder), "config"]).exit_code == 0
    assert "there is no folder" in CliRunner().invoke(app, ["-C", str(tmp_path / "none"), "init"]).output


def test_init_says_that_a_module_which_is_not_there_comes_next(tmp_path):
    (tmp_path / "there.py").touch()
    made = CliRunner().invoke(app, ["-C", str(tmp_path), "init", "--module", "there", "--module", "my.pipelines"])
    assert "next: write my.pipelines, which every command imports; then `tidewheel plan`" in made.output
    (tmp_path / "tidewheel.toml").unlink()
    made = CliRunner().invoke(app, ["-C", str(tmp_path), "init", "--module", "there"])
    assert "next: `tidewheel plan` lists its pipelines" in made.output


def test_new_makes_a_committed_project_that_can_be_planned(tmp_path):
    folder = tmp_path / 'my "best" project'
    made = CliRunner().invoke(app, ["new", str(folder), "--json"])
    assert json.loads(made.stdout) == {"path": str(folder)}
    assert CliRunner().invoke(app, ["new", str(folder)]).exit_code == 2
    status = ["git", "status", "--porcelain"]
    assert subprocess.run(status, cwd=folder, capture_output=True, text=True, check=True).stdout == ""
    planned = CliRunner().invoke(app, ["-C", str(folder), "plan", "training"])
    assert planned.exit_code == 0, planned.output
    assert "model_training" in planned.output


def test_ingest_adds_a_file_once(life):
    file = str(life.folder / "data" / "points-1.csv")
    assert "0 rows added" in life.tell("ingest", "points", file)
    assert life.json("ingest", "points", file)["files_skipped"] == [file]
    assert "no.csv: No such file" in life.tell("ingest", "points", "no.csv", code=2)


def test_tables_lists_tables_and_the_snapshots_of_one(life):
    assert {"points", "labels", "predictions"} <= {one["name"] for one in life.json("tables")}
    assert [one["row_count"] for one in life.json("tables", "points")] == [0, 300, 600]
    assert "did you mean 'points'" in life.tell("tables", "point", code=3)


def test_sql_answers_on_current_and_on_named_snapshots(life):
    query = "select count(*) n from points"
    assert life.json("sql", query) == [{"n": 600}]
    first = life.json("tables", "points")[1]["snapshot_id"]
    assert life.json("sql", "--snapshot", f"points@{first}", query) == [{"n": 300}]
    assert "2 more rows" in life.tell("sql", "--limit", "1", "select month from points group by 1 union all select 9")
    again = "select count(*) n, 1 n, 2 m from points"
    assert life.json("sql", again) == [{"n": 600, "n_1": 1, "m": 2}]
    assert life.tell("sql", again).split() == ["n", "n", "m", "600", "1", "2"]
    assert life.tell("sql", "select 2013 as year, 100200 as id").split() == ["year", "id", "2013", "100200"]
    assert "did you mean 'points'" in life.tell("sql", "select * from pionts", code=3)
    assert "names no snapshot" in life.tell("sql", "--snapshot", "points", query, code=2)
    assert "does not read table 'labels'" in life.tell("sql", "--snapshot", "labels@1", query, code=2)
    assert life.tell("sql", "--snapshot", "points@1", query, code=3)
    assert life.tell("sql", "drop table points", code=2)


def test_plan_lists_pipelines_and_shows_one(life):
    assert list(life.json("plan")) == ["training"]
    assert [node["id"] for node in life.json("plan", "training")["nodes"]][:2] == ["points", "recent"]
    assert life.tell("plan", "training", "--mermaid").startswith("flowchart")
    assert "did you mean 'training'?" in life.tell("plan", "trainin", code=3)


def test_run_carries_out_and_a_second_time_takes_over(life):
    assert {one["status"] for one in life.said["run"]["executions"]} == {"succeeded"}
    ((model, version, state),) = [(one["model"], one["version"], one["state"]) for one in life.said["run"]["versions"]]
    assert (model, version, state) == ("toy", 1, "approved")
    assert "did you mean 'training'?" in life.tell("run", "trainin", code=3)
    assert "unknown parameter 'until'" in life.tell("run", "training", "--until", "2013", code=2)


def test_runs_lists_runs_of_pipelines_and_with_all_the_operations(life):
    assert {one["pipeline"] for one in life.json("runs")} == {"training"}
    listed = life.json("runs", "--all", "--limit", "1000")
    assert {"ingest", "promote", "deploy", "training"} <= {one["pipeline"] for one in listed}
    assert "no such run" in life.tell("runs", "--status", "failed")
    assert "'faild' is not one of" in life.tell("runs", "--status", "faild", code=2)
    assert "did you mean 'training'?" in life.tell("runs", "--pipeline", "trainig", code=3)


def test_show_tells_cause_sources_and_steps(life):
    shown = life.json("show", life.run_id)
    assert shown["event"]["kind"] == "request"
    assert len(shown["executions"]) == len(life.said["run"]["executions"])
    assert "commit" in life.tell("show", life.run_id[:-2])
    assert "does not exist" in life.tell("show", "zzzz", code=3)


def test_get_prints_an_output_or_copies_its_file(life, tmp_path):
    assert json.loads(life.tell("get", f"{life.run_id}/count.output"))["rows"] == 300.0
    assert life.json("get", f"{life.run_id}/count.output")["codec"] == "json/1"
    target = tmp_path / "package"
    assert "digest" in life.tell("get", f"{life.run_id}/model_packaging.output", "--to", str(target))
    assert target.stat().st_size > 1000
    nowhere = str(tmp_path / "no folder" / "package")
    assert "cannot be copied" in life.tell("get", f"{life.run_id}/model_packaging.output", "--to", nowhere, code=6)
    assert "did you mean 'count'?" in life.tell("get", f"{life.run_id}/cuont.output", code=3)
    assert "known: output" in life.tell("get", f"{life.run_id}/count.metrics", code=3)
    assert "names no output" in life.tell("get", "count", code=2)


def test_logs_shows_what_steps_printed(life):
    assert set(life.json("logs", life.run_id)) >= {"train", "count"}
    assert list(life.json("logs", life.run_id, "train")) == ["train"]
    assert "did you mean 'train'?" in life.tell("logs", life.run_id, "trian", code=3)


def test_status_shows_endpoints(life):
    (endpoint,) = life.json("status")["endpoints"]
    assert (endpoint["endpoint"], endpoint["model"], endpoint["status"]) == ("live", "toy", "ready")
    assert "no run is going on" in life.tell("status")


def test_cancel_and_resume_refuse_a_run_that_has_succeeded(life):
    assert "is not running" in life.tell("cancel", life.run_id, code=1)
    assert "cannot be resumed" in life.tell("resume", life.run_id, code=1)
    assert "does not exist" in life.tell("cancel", "zzzz", code=3)


def test_reproduce_tells_step_by_step_what_came_out_the_same(life):
    found = life.json("reproduce", life.run_id)
    assert found["is_equal"]
    assert {step["status"] for step in found["steps"]} == {"equal"}
    assert "is reproduced: each output has the digest that it had" in life.tell("reproduce", "toy", "--version", "1")
    assert "does not exist" in life.tell("reproduce", "nobody", code=3)


def test_why_rerun_names_what_changed(life):
    assert "toy v2, made by run " in life.tell("run", "training")
    (told,) = life.json("why-rerun", "latest", "recent")
    assert life.tell("show", told.rpartition(" ")[2])
    assert "input points changed" in life.json("why-rerun", life.retraining_id, "recent")
    assert life.tell("why-rerun", life.run_id, "recent").strip() == "it had never been carried out before"
    assert "did you mean 'recent'" in life.tell("why-rerun", life.run_id, "recnt", code=3)


def test_models_lists_versions(life):
    listed = life.json("models", "toy")
    assert listed["champions"] == {"toy": 2}
    assert listed["aliases"] == {"toy": {"champion": 2}}
    assert [one["version"] for one in listed["versions"]] == [2, 1]
    assert "champion" in life.tell("models")
    assert "did you mean 'toy'?" in life.tell("models", "tyo", code=3)


def test_promote_and_rollback_move_champion_and_endpoint(life):
    assert life.said["promote"].strip() == "champion of toy is v1"
    assert "is v1 again" in life.tell("rollback", "toy", "--reason", "a test")
    assert life.json("status")["endpoints"][0]["version"] == 1
    assert life.json("promote", "toy", "2", "--force")["version"] == 2
    assert life.json("status")["endpoints"][0]["version"] == 2
    facts = [life.json(*one) for one in (("models", "show", "toy"), ("runs", "--all"), ("events",))]
    assert "champion of toy is v2 already: no promotion is recorded" in life.tell("promote", "toy", "2")
    assert [life.json(*one) for one in (("models", "show", "toy"), ("runs", "--all"), ("events",))] == facts
    assert "does not exist" in life.tell("promote", "toy", "9", code=3)
    assert life.tell("promote", "tyo", code=3)
    assert life.tell("rollback", "tyo", code=3)


def test_deploy_predict_and_undeploy_use_the_declared_endpoint(life):
    assert "v1 answers at http://127.0.0.1:" in life.said["deploy"]
    assert len(life.said["predict"]["prediction_id"]) == 40
    assert "probability" in life.tell("predict", "live", "-", text='[{"x": 1}]')
    example = life.tell("predict", "toy", "--example")
    assert len(life.json("predict", "toy", "-", text=example)["prediction_id"]) == len(json.loads(example)) == 3
    assert "no rows are given" in life.tell("predict", "toy", code=2)
    assert life.tell("predict", "tyo", "--example", code=3)
    assert "'y'" in life.tell("predict", "toy", "-", text='[{"y": 1}]', code=2)
    assert "standard input holds no JSON" in life.tell("predict", "toy", "-", text="{", code=2)
    assert "row 0 holds a list under 'x'" in life.tell("predict", "toy", "-", text='{"x": [1, 2]}', code=2)
    assert "did you mean 'live'?" in life.tell("predict", "liev", "-", text='[{"x": 1}]', code=3)
    assert life.json("undeploy", "toy") == {"endpoint": "live", "status": "down"}
    assert life.json("status")["endpoints"] == []
    assert life.tell("undeploy", "toy", code=3)
    assert life.json("deploy", "toy")["endpoint"] == "live"
    assert life.tell("deploy", "tyo", code=3)
    assert "'prod' is not 'dev'" in life.tell("deploy", "toy", "--to", "prod", code=2)


def test_label_takes_each_file_once(life):
    assert life.said["label"].strip() == "40 labels added"
    assert life.json("label", str(life.folder / "data" / "answers.csv")) == {"rows": 0}
    assert life.tell("label", "no.csv", code=2)


def test_tick_reports_what_it_did(life):
    report = life.said["tick"]
    assert (len(report["signals"]), len(report["runs"]), report["promoted"]) == (1, 1, ["toy/2"])
    assert report["problems"] == []


def test_signals_and_events_are_listed_and_shown_one_by_one(life):
    (signal,) = life.json("signals", "--model", "toy")
    assert signal["is_alarm"]
    assert life.json("signals", signal["id"]) == signal
    assert "snapshot" in life.tell("signals", signal["id"])
    event = next(one for one in life.json("events", "--limit", "1000") if one["kind"] == "signal")
    assert life.json("events", event["id"]) == event
    assert signal["id"] in life.tell("events", event["id"])
    assert life.tell("events", "zzzz", code=3)
    assert life.tell("signals", "zzzz", code=3)


def test_every_command_that_why_names_shows_something(life):
    chain = life.json("why", "toy")
    assert all(link["is_found"] for link in chain["links"])
    assert {"promotion", "package", "verdict", "run", "sources", "snapshot", "event", "signal"} <= {
        link["noun"] for link in chain["links"]
    }
    for command in dict.fromkeys(link["command"] for link in chain["links"] if link["command"]):
        words = shlex.split(command)
        if words[0] == "git":
            done = subprocess.run(words, cwd=life.folder, capture_output=True, text=True, check=True)
            assert "A toy" in done.stdout
        else:
            assert life.tell(*words[1:]), command
    assert life.tell("why", "tyo", code=3)


def test_why_is_written_in_columns_and_words(life):
    told = life.tell("why", "toy")
    lines = told.partition("\nlook closer:\n")[0].splitlines()
    assert all("_" not in line.split("  ")[0] for line in lines)
    assert any(line.strip().startswith("model version  toy v1") for line in lines)
    widths = {
        line.index(line.split()[1]) for line in lines[1:] if not line.startswith(" ") and "model version" not in line
    }
    assert len(widths) == 1


def test_a_chain_with_a_missing_fact_is_told_as_broken(life):
    package = life.json("why", "toy")["links"]
    digest = next(link["ref"] for link in package if link["noun"] == "package")
    (path,) = [one for one in (life.folder / ".tidewheel" / "artifacts").rglob("*") if one.name.startswith(digest)]
    aside = path.with_name("aside")
    path.rename(aside)
    try:
        assert "the chain is broken" in life.tell("why", "toy", code=6)
    finally:
        aside.rename(path)


def test_config_says_each_value_and_its_origin(life):
    assert life.json("config")["workspace.clock"] == {"value": "virtual", "origin": "tidewheel.toml"}
    assert "default" in life.tell("config")


def test_an_error_for_programs_is_json_with_its_parts(life):
    error = life.json("show", "zzzz", code=3)["error"]
    assert set(error) == {"type", "what", "where", "next_step", "problems"}
    assert error["type"] == "NotFoundError"


def test_outside_of_a_project_every_command_says_how_to_make_one(tmp_path: Path):
    for name in ("runs", "tables", "status", "config"):
        said = CliRunner().invoke(app, ["-C", str(tmp_path), name])
        assert said.exit_code == 2
        assert "run `tidewheel init` in a project, or `tidewheel new NAME`" in said.output
