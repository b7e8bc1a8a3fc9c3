"""The gate lets better models pass, and hardly ever equal ones; why it refuses stands in the verdict."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from tidewheel.artifact_store import LocalArtifactStore
from tidewheel.core.records import Check, Verdict
from tidewheel.model_package import Champion, Package, package_model
from tidewheel.statistics import roc_auc
from tidewheel.steps.model_validation import model_validation
from tidewheel.workspace.codecs import codec_table


def flights(seed: int = 1, rows: int = 600) -> pd.DataFrame:
    """Two columns that say equally much about the label, each with its own noise; 30 days."""
    source = np.random.default_rng(seed)
    late = source.integers(0, 2, rows)
    return pd.DataFrame(
        {
            "left": late + source.normal(size=rows),
            "right": late + source.normal(size=rows),
            "label": late,
            "day": pd.Timestamp("2013-04-01") + pd.to_timedelta(np.arange(rows) % 30, unit="D"),
            "rule": late * 0.2 + source.normal(size=rows),
        }
    )


@cache
def packaged(*columns: str, seed: int = 0, rows: int = 2000) -> Package:
    train = flights(1000 + seed, rows)
    model = HistGradientBoostingClassifier(max_iter=8, random_state=0).fit(train[list(columns)], train["label"])
    return package_model(model, train[list(columns)].iloc[:200])


@cache
def mirrored() -> tuple[Package, Package]:
    """The same trees over the left column and over the right one: equally good, and not the same."""
    train = flights(1000, 2000)
    return tuple(
        package_model(
            HistGradientBoostingClassifier(max_iter=8).fit(train[["left"]].set_axis([name], axis=1), train["label"]),
            train[["left"]].set_axis([name], axis=1).iloc[:200],
        )
        for name in ("left", "right")
    )


def judged(candidate: Package, test: pd.DataFrame, champion: Package | None = None, **options: object) -> Verdict:
    standing = None if champion is None else Champion("flight-delay", 3, champion)
    return model_validation(candidate, test, standing, **{"resamples": 200, **options})


def check(verdict: Verdict, name: str) -> Check:
    return next(one for one in verdict.checks if one.name == name)


def test_a_better_model_passes_with_its_numbers():
    test = flights()
    verdict = judged(packaged("left", "right"), test, packaged("left"))
    assert verdict.passed
    assert verdict.champion_version == 3
    assert [one.name for one in verdict.checks] == ["test rows", "better than baseline", "better than champion"]
    found = check(verdict, "better than champion")
    scores = packaged("left", "right").open().predict({name: test[name] for name in ("left", "right")})["probability"]
    assert found.value == pytest.approx(roc_auc(test["label"], scores))
    assert found.difference == pytest.approx(found.value - found.reference)
    assert 0 < found.low < found.difference < found.high
    assert (found.metric, found.row_count) == ("roc_auc", 600)
    assert "flight-delay v3" in found.message


def test_a_worse_model_is_refused_with_its_numbers():
    verdict = judged(packaged("left"), flights(), packaged("left", "right"))
    assert not verdict.passed
    assert check(verdict, "better than baseline").passed
    found = check(verdict, "better than champion")
    assert found.high < 0
    assert "needed more than +0.0000" in found.message


def test_the_same_model_does_not_replace_itself():
    verdict = judged(packaged("left"), flights(), packaged("left"))
    assert not verdict.passed
    assert check(verdict, "better than champion").difference == 0.0


def test_a_gain_that_is_smaller_than_asked_for_is_refused():
    better, standing = packaged("left", "right"), packaged("left")
    gain = check(judged(better, flights(), standing), "better than champion")
    assert not judged(better, flights(), standing, minimum_gain=gain.low + 1e-6).passed
    assert judged(better, flights(), standing, minimum_gain=gain.low - 1e-6).passed


def test_without_a_champion_the_baseline_decides():
    verdict = judged(packaged("left"), flights())
    assert verdict.passed
    assert verdict.champion_version is None
    assert check(verdict, "better than baseline").reference == 0.5
    by_rule = check(judged(packaged("left"), flights(), baseline="rule"), "better than baseline")
    assert by_rule.reference == pytest.approx(roc_auc(flights()["label"], flights()["rule"]))
    assert not judged(packaged("left"), flights().assign(rule=lambda rows: rows["label"]), baseline="rule").passed


def test_a_model_that_knows_nothing_does_not_beat_a_constant():
    test = flights()
    test["left"] = np.random.default_rng(8).permutation(test["left"])
    assert not judged(packaged("left"), test).passed


@pytest.mark.parametrize(("rounds", "most"), [(80, 11), pytest.param(200, 20, marks=pytest.mark.slow)])
def test_equal_models_are_rarely_promoted(rounds, most):
    """One in twenty is promised; more than `most` would happen once in a thousand times."""
    candidate, champion = mirrored()
    passed = sum(judged(candidate, flights(seed, 300), champion, resamples=80).passed for seed in range(rounds))
    assert passed <= most


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda test: test.iloc[:100], "100 test rows are fewer than 200"),
        (lambda test: test.iloc[:0], "0 test rows"),
        (lambda test: test.assign(label=1), "all of one class"),
        (lambda test: test.assign(label=test["label"] * 2), "'label' must hold 0 and 1 only, but has 2"),
        (lambda test: test.assign(label=test["label"].where(test.index > 3)), "4 of"),
        (lambda test: test.drop(columns="label"), "no column 'label'"),
        (lambda test: test.drop(columns=["label", "day"]), "no column 'label', 'day'"),
        (lambda test: test.drop(columns="left"), "the candidate cannot score them: it needs the columns 'left'"),
        (lambda test: test.assign(left="x"), "'left' takes float, but row 0 has 'x'"),
    ],
)
def test_test_rows_that_cannot_judge_are_a_failed_check(change, told):
    verdict = judged(packaged("left"), change(flights()), packaged("right"))
    assert not verdict.passed
    assert [one.name for one in verdict.checks] == ["test rows"]
    assert told in verdict.checks[0].message
    assert verdict.champion_version == 3
    assert Verdict.from_json(verdict.to_json()) == verdict


def test_a_champion_with_other_columns_is_a_failed_check():
    verdict = judged(packaged("left"), flights().drop(columns="right"), packaged("right"))
    found = check(verdict, "better than champion")
    assert not found.passed
    assert "flight-delay v3 cannot be scored: it needs the columns 'right'" in found.message
    assert check(verdict, "better than baseline").passed


def test_a_damaged_champion_is_a_failed_check():
    standing = packaged("right")
    damaged = Package(standing.manifest, standing.examples, standing.parity, {"model.onnx": b"damaged"}, b"{}")
    assert "cannot be loaded" in check(judged(packaged("left"), flights(), damaged), "better than champion").message


def test_a_model_of_another_kind_is_a_failed_check():
    train = flights(7)
    number = package_model(
        HistGradientBoostingRegressor(max_iter=2).fit(train[["left"]], train["rule"]), train[["left"]]
    )
    assert "regression model" in judged(number, flights()).checks[0].message
    assert "regression model" in check(judged(packaged("left"), flights(), number), "better than champion").message


@pytest.mark.parametrize("rule", [None, np.nan, "x", np.inf])
def test_a_baseline_without_numbers_is_a_failed_check(rule):
    test = flights()
    test["rule"] = test["rule"].astype(object)
    test.loc[5, "rule"] = rule
    found = check(judged(packaged("left"), test, baseline="rule"), "better than baseline")
    assert not found.passed
    assert "rule cannot be scored" in found.message


def test_one_day_is_not_enough_to_judge():
    verdict = judged(packaged("left", "right"), flights().assign(day=1), packaged("left"))
    found = check(verdict, "better than champion")
    assert not found.passed
    assert (found.low, found.high) == (None, None)
    assert "no interval from 1 block;" in found.message
    assert found.difference > 0


def test_the_verdict_names_the_artifact_that_is_stored(tmp_path):
    package = packaged("left")
    artifact = LocalArtifactStore(tmp_path, codec_table()).put(package)
    assert judged(package, flights()).candidate_digest == package.digest == artifact.digest


def test_the_same_rows_give_the_same_verdict():
    verdicts = [judged(packaged("left", "right"), flights(), packaged("left"), seed=seed) for seed in (1, 1, 2)]
    assert verdicts[0] == verdicts[1] != verdicts[2]
