"""A run carried out again from what is kept of it, whatever has become of the project since."""

from __future__ import annotations

import shutil

import msgspec
import pytest

from tidewheel.core.errors import NotFoundError, RunError, SourceError
from tidewheel.core.identifier import new_id
from tidewheel.workspace import running
from toy_project import CODE, ToyWorkspace, start_of, write_project

CHANCE = CODE.replace(
    "    return points[points[",
    "    import os; points.attrs = {'drawn': os.urandom(8).hex()}\n    return points[points[",
)


@pytest.fixture
def toy(tmp_path):
    toy = ToyWorkspace(write_project(tmp_path / "project"))
    toy.train_first()
    yield toy
    toy.close()


def edit(toy, text):
    (toy.folder / "toy.py").write_text(text)


def test_a_model_is_made_again_from_its_own_code_rows_and_champion_and_nothing_is_registered(toy):
    toy.stores.clock_row.set(start_of(3))
    toy.sign = -1
    toy.ingest(2)
    toy.workspace.submit("training")  # v2, judged against v1
    toy.workspace.promote("toy", 2)
    toy.ingest(3)
    edit(toy, CODE.replace("LogisticRegression()", "LogisticRegression(C=0.01)").replace("months: int = 1", "months=9"))
    history, signals = toy.stores.models.list("toy"), toy.stores.signals.list(limit=9)
    found = toy.workspace.reproduce("toy", 2)
    assert found.is_equal
    assert found.first_difference is None
    nodes = ("recent", "train", "features", "model_packaging", "model_validation", "count")
    assert {step.node: step.reasons for step in found.steps} == dict.fromkeys(nodes, ())
    again = toy.workspace.run(found.repetition_id)
    assert again.record.sources_digest == toy.workspace.run(found.run_id).record.sources_digest
    assert [one.status for one in again.executions].count("cached") == 0
    assert again["model_validation"].outputs["output"].load().champion_version == 1
    assert [(one.kind, one.ref) for one in again.event.evidence if one.kind == "run"] == [("run", found.run_id)]
    assert toy.stores.models.list("toy") == history
    assert toy.stores.signals.list(limit=9) == signals


def test_a_step_that_leaves_its_result_to_chance_is_named_and_those_after_it_say_why(toy):
    edit(toy, CHANCE)
    run = toy.workspace.submit("training")
    found = toy.workspace.reproduce(run.id)
    assert not found.is_equal
    assert found.first_difference.node == "recent"
    assert found.first_difference.outputs == ("output",)
    assert found.first_difference.reasons == ()
    assert all(step.reasons == ("input points changed",) for step in found.steps if step.node in ("train", "features"))


def test_a_run_that_failed_is_repeated_too_and_its_missing_steps_are_no_success(toy):
    edit(toy, CODE.replace('return points[["x"]].head(20)', "raise ValueError('planted')"))
    failed = toy.workspace.submit("training")
    edit(toy, CODE)
    found = toy.workspace.reproduce("latest")
    assert found.run_id == failed.id
    assert found.status == "failed"
    assert {step.node: step.status for step in found.steps}["features"] == "missing"
    assert not found.is_equal


def test_sources_whose_copy_is_gone_are_asked_for_and_taken_from_a_project_that_is_as_it_was(toy):
    run = toy.workspace.run("latest")
    copy = toy.stores.folder / "sources" / run.record.sources_digest
    edit(toy, CODE + "\n# later")
    shutil.rmtree(copy)
    before = len(toy.workspace.runs())
    with pytest.raises(SourceError, match="the copy of the sources is gone") as caught:
        toy.workspace.reproduce("toy")
    assert caught.value.where == str(copy)
    assert len(toy.workspace.runs()) == before
    edit(toy, CODE)
    assert toy.workspace.reproduce("toy").is_equal


def test_operations_and_names_that_nobody_has_are_refused(toy):
    ingest = next(one for one in toy.workspace.runs(with_operations=True) if one.record.pipeline == "ingest")
    with pytest.raises(RunError, match="is the operation 'ingest'"):
        toy.workspace.reproduce(ingest.id)
    with pytest.raises(NotFoundError):
        toy.workspace.reproduce("nobody")
    with pytest.raises(NotFoundError):
        toy.workspace.reproduce("toy", 9)


def test_a_repetition_that_is_resumed_stays_one_and_makes_no_facts(toy, tmp_path):
    chance = "LogisticRegression(C=1 + int.from_bytes(__import__('os').urandom(4)) / 2**32)"
    planted = f"if __import__('os').path.exists({str(tmp_path / 'planted')!r}): raise OSError"
    code = CODE.replace("LogisticRegression()", chance)
    edit(toy, code.replace("    return Metrics(", f"    {planted}\n    return Metrics("))
    made = toy.workspace.submit("training")  # v2; each repetition of it makes another package
    facts = toy.stores.models.list("toy"), toy.stores.models.history("toy", 2), toy.stores.signals.list()
    (tmp_path / "planted").touch()
    found = toy.workspace.reproduce(made.id)
    assert found.status == "failed"
    (tmp_path / "planted").unlink()
    edit(toy, "raise SystemExit('not the sources of the run')")
    resumed = toy.workspace.resume(found.repetition_id)
    assert resumed.status == "succeeded"
    assert (resumed.record.repeats, resumed.record.resumed_from) == (made.id, found.repetition_id)
    assert resumed.record.sources_digest == made.record.sources_digest
    assert {one.record.node for one in resumed.executions if one.status == "cached"} == {
        one.record.node
        for one in toy.workspace.run(found.repetition_id).executions
        if one.record.fingerprint and one.status == "succeeded"
    }
    assert resumed["model_packaging"].outputs["output"].digest != made["model_packaging"].outputs["output"].digest
    assert (toy.stores.models.list("toy"), toy.stores.models.history("toy", 2), toy.stores.signals.list()) == facts


def test_what_a_repetition_had_seen_before_it_died_is_no_signal(toy, monkeypatch):
    seen = []
    monkeypatch.setattr(running, "record_skew", lambda stores, models, run, executions: seen.append(run.repeats))
    last = toy.workspace.run("latest").record
    for repeats in ("", last.id):
        dead = {"id": new_id(), "status": "running", "ended_at": None, "repeats": repeats}
        toy.stores.runs.create(msgspec.structs.replace(last, **dead))
    assert [one.status for one in toy.workspace.settle_interrupted()] == ["interrupted"] * 2
    assert seen == [""]
