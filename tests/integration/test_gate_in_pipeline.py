"""A gate that a pipeline declares judges in the worker, and what it was shown judges the next candidate."""

from __future__ import annotations

import pytest

import toy_project
from tidewheel.core.records import Verdict
from tidewheel.workspace.verdicts import trained_until, verdict_of
from toy_project import ToyWorkspace, start_of, write_project

GATED = (
    toy_project.CODE.replace("import Model, champion", "import Baseline, Budget, Gate, Model, champion")
    .replace(
        "@pipeline\n",
        """
@step
def split(points: pd.DataFrame) -> Split:
    at = pd.Timestamp("2013-01-01", tz="UTC") + pd.to_timedelta(points["month"] * 31 + points["day"].astype(int), "D")
    rows = points.assign(at=at, id=points["month"] * 1000 + range(len(points)), side=(points["x"] > 0).map(str))
    is_test = points["day"].astype(int) >= 14
    return Split(rows[~is_test].reset_index(drop=True), rows[is_test].reset_index(drop=True))

def guess(rows: pd.DataFrame) -> list[float]:
    return [0.5] * len(rows)

@pipeline
""",
        1,
    )
    .replace("import pandas as pd\n", "from typing import NamedTuple\nimport pandas as pd\n")
    .replace(
        "@step\ndef recent",
        "class Split(NamedTuple):\n    train: pd.DataFrame\n    test: pd.DataFrame\n\n@step\ndef recent",
    )
    .replace(
        """    package = model_packaging(train(rows), features(rows))
    verdict = model_validation(package, rows, champion("toy"), resamples=50)
""",
        """    parts = split(rows)
    package = model_packaging(train(parts.train), features(parts.train))
    gate = Gate(
        block="day", time="at", key=("id",), floors={"roc_auc": 0.6}, baseline=Baseline.rule(guess), minimum_rows=100,
        segments=("side",), slice_columns=("*",), chance_per_year=0.6, runs_per_year=12, resamples=100,
        budget=Budget(size_mb=1.0, latency_p99_ms=5000.0, memory_mb=4000.0),
    )
    verdict = model_validation(package, parts.test, champion("toy"), parts.train, gate=gate)
""",
    )
)


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    toy = ToyWorkspace(write_project(tmp_path_factory.mktemp("gate") / "project", code=GATED))
    toy.train_first()
    yield toy
    toy.close()


def test_the_first_version_is_judged_by_every_declared_criterion(toy):
    verdict = verdict_of(toy.stores, "toy", 1)
    assert isinstance(verdict, Verdict)
    assert verdict.passed, [one.message for one in verdict.checks if not one.passed]
    names = {one.name for one in verdict.checks}
    assert {"test rows", "no test row is in training", "floor of roc_auc", "better than baseline"} <= names
    assert {"no slice is worse", "packages of the environment", "expected answers", "budget memory_mb"} <= names
    assert verdict.training is not None
    assert trained_until(toy.stores, "toy", 1) == verdict.training.until
    assert verdict.criteria["baseline"]["function"] == "toy:guess"


def test_a_candidate_that_is_no_better_is_registered_as_rejected_with_the_reason(toy):
    toy.stores.clock_row.set(start_of(3))
    toy.ingest(2)
    assert toy.workspace.submit("training").status == "succeeded"
    version = toy.stores.models.get("toy", 2)
    verdict = verdict_of(toy.stores, "toy", 2)
    assert version.state == "rejected"
    assert "needed more than" in version.reason
    newer = next(one for one in verdict.checks if one.name == "newer than the champion's training")
    assert newer.passed
    assert "newer than the training rows of toy v1" in newer.message
    assert next(one for one in verdict.checks if one.name == "signature of the endpoint").passed
    assert "rejected" in toy.workspace.model_card("toy", 2).to_markdown()


def test_a_changed_rule_is_judged_anew(toy):
    code = toy.folder / "toy.py"
    code.write_text(GATED.replace("return [0.5] * len(rows)", 'return (rows["x"] * 1.0).tolist()'))
    assert toy.workspace.submit("training").status == "succeeded"
    verdict = verdict_of(toy.stores, "toy", 2)
    assert not next(one for one in verdict.checks if one.name == "better than baseline").passed


def test_a_champion_that_no_longer_loads_is_a_failed_check_that_nobody_takes_over(tmp_path):
    toy, judge = ToyWorkspace(write_project(tmp_path / "project")), "model_validation"
    toy.train_first()
    path = toy.stores.artifacts.path_of(toy.workspace.champion("toy").package)
    whole = path.read_bytes()
    toy.stores.clock_row.set(start_of(3))
    toy.ingest(2)
    path.unlink()
    gone = toy.workspace.submit("training")
    assert (gone.status, toy.stores.models.get("toy", 2).state) == ("succeeded", "rejected")
    assert toy.stores.models.get("toy", 2).reason.startswith("toy v1 cannot be scored: the bytes of artifact")
    assert verdict_of(toy.stores, "toy", 2).champion_version == 1
    assert gone[judge].inputs["champion"].artifact.summary["version"] == 1
    assert gone[judge].record.reason == "the package of toy v1 could not be read"

    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert toy.workspace.submit("training")[judge].status == "succeeded", "a verdict without a champion was taken over"
    assert "was altered" in toy.stores.models.get("toy", 2).reason
    assert path.exists()

    path.write_bytes(whole)
    healed = toy.workspace.submit("training")
    assert healed[judge].status == "succeeded", "a verdict without a champion was taken over"
    told = "in the execution before it the package of toy v1 could not be read"
    assert toy.workspace.explain_rerun(healed.id, judge) == [told]
    assert "cannot be scored" not in toy.stores.models.get("toy", 2).reason
    assert toy.workspace.submit("training")[judge].status == "cached"
    toy.close()
