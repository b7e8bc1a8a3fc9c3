"""A version is registered with its card, and the card says what the facts say."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

import toy_project
from tidewheel.cli.model_card import card_command
from tidewheel.core.records import EvaluationReport
from tidewheel.workspace.model_card import linked_card
from toy_project import ToyWorkspace, write_project

EVALUATED = toy_project.CODE.replace(
    "from tidewheel.steps.model_packaging",
    "from tidewheel.steps.model_evaluation import model_evaluation\nfrom tidewheel.steps.model_packaging",
).replace(
    '    return {"package": package,',
    '    model_evaluation(package, rows, block="day", resamples=50, importance_rows=100)\n'
    '    return {"package": package,',
)


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    toy = ToyWorkspace(write_project(tmp_path_factory.mktemp("card") / "project", code=EVALUATED))
    toy.train_first()
    yield toy
    toy.close()


def test_the_card_is_an_artifact_linked_from_the_version(toy):
    version = toy.workspace.versions("toy")[0]
    link = linked_card(toy.stores, version)
    assert link is not None
    text = toy.stores.artifacts.load(link.outputs["markdown"]).decode()
    assert text.startswith("# toy v1\n")
    assert toy.stores.runs.get(link.run_id).event_id == toy.stores.runs.get(version.run_id).event_id


def test_the_card_tells_what_the_evaluation_and_the_gate_found(toy):
    card = toy.workspace.model_card("toy")
    text, page = card.to_markdown(), card.to_html()
    evaluated = [
        artifact
        for one in toy.stores.executions.list(card.version.run_id)
        for artifact in one.outputs.values()
        if artifact.type_name.endswith("EvaluationReport")
    ]
    report = toy.stores.artifacts.load(evaluated[0], as_type=EvaluationReport)
    for told in (f"{report.metrics[0].value:.4g}", "better than baseline", "points", "| x |", "roc_auc"):
        assert told in text, told
        assert told.strip("| ") in page
    assert page.count("data:image/png;base64,") == 3
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "")


def test_the_card_that_is_linked_already_is_not_written_again(toy):
    first = toy.workspace.model_card("toy", 1)
    again = toy.workspace.model_card("toy", 1)
    assert first.markdown == again.markdown
    cards = [one for one in toy.stores.executions.by_input(first.version.package.digest) if one.step == "card"]
    assert len({one.outputs["markdown"].digest for one in cards}) == len(cards)


def test_the_command_prints_it_and_writes_it_to_a_file(toy, tmp_path, monkeypatch):
    monkeypatch.chdir(toy.folder)
    place = tmp_path / "card.html"
    found = CliRunner().invoke(card_command, ["toy", "--to", str(place)])
    assert found.exit_code == 0, found.output
    assert place.read_text().startswith("<!DOCTYPE html>")
    assert "# toy v1" in CliRunner().invoke(card_command, ["toy", "1"]).output
    assert '"markdown"' in CliRunner().invoke(card_command, ["toy", "--json"]).output
    assert CliRunner().invoke(card_command, ["toy", "9"]).exit_code != 0
    assert CliRunner().invoke(card_command, ["toy", "--to", str(tmp_path / "no" / "card.md")]).exit_code != 0
