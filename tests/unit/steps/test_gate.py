"""Each declared criterion refuses what it should, says so with numbers, and lets the rest pass."""

from __future__ import annotations

import copy
import sys
from datetime import UTC, datetime
from functools import cache

import msgspec
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression

from tidewheel.core.errors import ArtifactMissingError, DefinitionError
from tidewheel.core.records import Check, Verdict
from tidewheel.model_package import Champion, Package, package_model
from tidewheel.pipeline import Baseline, Budget, Gate, bind_value
from tidewheel.statistics.metric_table import metric_of
from tidewheel.statistics.scored import Scored
from tidewheel.steps.gate_rows import GateRows
from tidewheel.steps.model_validation import model_validation

GATE = Gate(block="day", asks_package=False, keeps_signature=False, resamples=200)
PORTS = ["EWR", "JFK", "LGA"]


@cache
def flights(seed: int = 1, rows: int = 3000) -> pd.DataFrame:
    source = np.random.default_rng(seed)
    late = source.integers(0, 2, rows)
    day = np.sort(source.integers(0, 30, rows))
    return pd.DataFrame(
        {
            "id": np.arange(rows) + 10_000 * seed,
            "left": late + source.normal(size=rows),
            "right": late + source.normal(size=rows),
            "noise": source.normal(size=rows),
            "port": source.choice(PORTS, rows, p=[0.5, 0.3, 0.2]),
            "label": late,
            "kind": np.where(source.random(rows) < 0.2, "c", np.where(late == 1, "b", "a")),
            "delay": 30.0 * late + source.normal(0, 5, rows),
            "day": day,
            "at": pd.Timestamp("2013-06-01", tz="UTC") + pd.to_timedelta(day * 24 + source.random(rows), unit="h"),
        }
    )


@cache
def packaged(*columns: str, target: str = "label") -> Package:
    train = flights(100)
    maker = LinearRegression if target == "delay" else LogisticRegression
    model = maker().fit(train[list(columns)], train[target])
    return package_model(model, train[list(columns)].iloc[:50])


@pytest.mark.parametrize("dtype", ["bool", "boolean", "object"])
def test_labels_may_be_true_and_false(dtype):
    train, test = (flights(seed).assign(label=lambda one: one["label"] == 1) for seed in (100, 1))
    package = package_model(LogisticRegression().fit(train[["left"]], train["label"]), train[["left"]][:50])
    told = judged(package, test=test.assign(label=test["label"].astype(dtype)))
    assert told.passed
    assert check(told, "better than baseline").value == check(judged(packaged("left")), "better than baseline").value


def judged(candidate: Package, gate: Gate = GATE, *, champion: Package | None = None, **given: object) -> Verdict:
    test = given.pop("test", None)
    until = given.pop("until", None)
    standing = None if champion is None else Champion("late", 3, champion, until)
    return model_validation(candidate, flights() if test is None else test, standing, **given, gate=gate)


def with_(**changes: object) -> Gate:
    return msgspec.structs.replace(GATE, **changes)


def check(verdict: Verdict, name: str) -> Check:
    return next(one for one in verdict.checks if one.name == name)


def test_a_gate_survives_the_plan_it_is_declared_in():
    gate = with_(
        floors={"roc_auc": 0.6},
        time="at",
        baseline=Baseline.last("port", delay_s=60),
        key=("id",),
        budget=Budget(size_mb=1),
    )
    assert bind_value(gate, Gate | None) == gate
    verdict = judged(packaged("left"))
    assert verdict.criteria["block"] == "day"
    assert Verdict.from_json(verdict.to_json()) == verdict


@pytest.mark.parametrize(
    "wrong",
    [
        {"confidence": 1.0},
        {"refusals": 0.0},
        {"resamples": 0},
        {"chance_per_year": 7.0},
        {"chance_per_year": 0.0},
        {"level": 1.5},
        {"segment_limit": -1.0},
        {"baseline": Baseline.last("port")},
    ],
)
def test_criteria_that_cannot_be_met_or_checked_are_refused_at_once(wrong):
    with pytest.raises(DefinitionError, match="criteria are wrong"):
        Gate(**wrong)


def test_a_floor_is_a_check_of_its_own_with_an_interval():
    verdict = judged(packaged("left"), with_(floors={"roc_auc": 0.7, "log_loss": 0.1}))
    assert not verdict.passed
    found = check(verdict, "floor of roc_auc")
    assert found.passed
    assert found.low < found.value < found.high
    assert "log_loss 0." in check(verdict, "floor of log_loss").message
    assert "needed at most 0.1" in check(verdict, "floor of log_loss").message


@pytest.mark.parametrize(("shift", "passes"), [(-1000.0, False), (0.0, True), (1000.0, False)])
def test_a_floor_of_a_metric_with_a_sign_is_a_distance_from_zero(shift, passes):
    test = flights().assign(delay=flights()["delay"] - shift)
    gate = with_(label="delay", floors={"bias": 5.0})
    found = check(judged(packaged("left", target="delay"), gate, test=test), "floor of bias")
    assert found.passed == passes
    assert found.value == pytest.approx(shift, abs=5)
    assert ("is within 5 of 0" if passes else "needed within 5 of 0") in found.message


def test_a_negative_floor_of_a_metric_with_a_sign_is_told():
    found = check(judged(packaged("left", target="delay"), with_(label="delay", floors={"bias": -5.0})), "floors")
    assert not found.passed
    assert "the floor -5 of bias is negative, but bias is best at 0" in found.message


def test_a_floor_of_an_unknown_metric_is_a_failed_check():
    found = check(judged(packaged("left"), with_(floors={"auc_roc": 0.7})), "floors")
    assert not found.passed
    assert "auc_roc" in found.message


def rule(rows: pd.DataFrame) -> pd.Series:
    assert "label" not in rows
    return rows["left"] + rows["right"]


def short_rule(rows: pd.DataFrame) -> list[float]:
    return [0.0]


def broken_rule(rows: pd.DataFrame) -> float:
    return rows["nowhere"]


def nan_rule(rows: pd.DataFrame) -> np.ndarray:
    return np.full(len(rows), np.nan)


def importable(function: object, monkeypatch: pytest.MonkeyPatch) -> Baseline:
    monkeypatch.setitem(sys.modules, "rules", sys.modules[__name__])
    return Baseline(kind="function", function=f"rules:{function.__name__}")


def test_a_business_rule_as_a_function_must_be_beaten(monkeypatch):
    gate = with_(baseline=importable(rule, monkeypatch))
    verdict = judged(packaged("left"), gate)
    found = check(verdict, "better than baseline")
    assert not found.passed
    assert "of rule on 3,000 rows" in found.message
    assert judged(packaged("left", "right"), with_(baseline=Baseline.constant(minimum_gain=0.1))).passed


@pytest.mark.parametrize(
    ("function", "told"),
    [(short_rule, "1 answers for 3000 rows"), (broken_rule, "KeyError: 'nowhere'"), (nan_rule, "missing or infinite")],
)
def test_a_rule_that_fails_is_a_failed_check(function, told, monkeypatch):
    found = check(judged(packaged("left"), with_(baseline=importable(function, monkeypatch))), "better than baseline")
    assert not found.passed
    assert told in found.message


def test_a_rule_that_no_worker_can_import_is_refused_at_once():
    with pytest.raises(DefinitionError, match="cannot be imported"):
        Baseline.rule(lambda rows: rows)


def test_the_last_value_of_a_group_is_what_was_known_before():
    frame = pd.DataFrame(
        {
            "left": np.arange(400.0),
            "port": ["A", "B"] * 200,
            "delay": np.repeat(np.arange(200.0), 2),
            "at": pd.Timestamp("2013-01-01", tz="UTC") + pd.to_timedelta(np.repeat(np.arange(200), 2), unit="h"),
        }
    )
    model = package_model(LinearRegression().fit(frame[["left"]], frame["delay"]), frame[["left"]])
    gate = Gate(label="delay", time="at", asks_package=False, resamples=50, baseline=Baseline.last("port"))
    one_hour = check(judged(model, gate, test=frame), "better than baseline")
    assert (one_hour.row_count, one_hour.reference) == (398, 1.0)  # the first of each port knows nothing
    later = msgspec.structs.replace(gate, baseline=Baseline.last("port", delay_s=3 * 3600))
    assert check(judged(model, later, test=frame), "better than baseline").reference == 3.0


def test_a_last_value_may_be_a_label_of_training_where_labels_come_late():
    at = pd.Timestamp("2013-01-01", tz="UTC") + pd.to_timedelta(np.arange(800), unit="h")
    frame = flights().iloc[:800].assign(at=at)
    train, test = frame[:400].assign(note="no feature"), frame[400:]
    gate = with_(time="at", baseline=Baseline.last("port", delay_s=72 * 3600))
    alone, known = (judged(packaged("left"), gate, test=test, train=before) for before in (None, train))
    assert not check(alone, "baseline scores the rows").passed
    assert "baseline scores the rows" not in {one.name for one in known.checks}
    assert check(known, "better than baseline").row_count == 400
    unlabelled = judged(packaged("left"), gate, test=test, train=train.drop(columns="label"))
    assert check(unlabelled, "better than baseline") == check(alone, "better than baseline")


@pytest.mark.parametrize(("delay_h", "passes"), [(1, True), (24, False)])
def test_rows_that_a_baseline_cannot_score_are_counted_and_fail_beyond_one_in_a_hundred(delay_h, passes):
    at = pd.Timestamp("2013-01-01", tz="UTC") + pd.to_timedelta(np.arange(2400) * 6, unit="min")
    test = flights().iloc[:2400].assign(at=at)
    verdict = judged(packaged("left"), with_(time="at", baseline=Baseline.last(delay_s=3600 * delay_h)), test=test)
    found = check(verdict, "baseline scores the rows")
    assert found.passed == passes
    assert f"the last value of all rows cannot score {10 * delay_h} of 2,400 rows" in found.message
    assert check(verdict, "better than baseline").row_count == 2400 - 10 * delay_h
    assert "baseline scores the rows" not in {one.name for one in judged(packaged("left")).checks}


def test_models_of_numbers_and_of_three_classes_are_judged_by_their_own_metrics():
    number = judged(
        packaged("left", "right", target="delay"), with_(label="delay"), champion=packaged("left", target="delay")
    )
    found = check(number, "better than champion")
    assert (number.passed, found.metric) == (True, "rmse")
    assert found.difference == pytest.approx(found.reference - found.value)
    three = judged(
        packaged("left", "right", target="kind"), with_(label="kind"), champion=packaged("left", target="kind")
    )
    assert (three.passed, check(three, "better than champion").metric) == (True, "log_loss")
    quantile = judged(packaged("left", target="delay"), with_(label="delay", level=0.5))
    assert check(quantile, "better than baseline").metric == "pinball"


def test_a_ranking_is_judged_by_queries():
    test = flights().assign(query=np.arange(3000) // 10)
    gate = with_(group="query", block="", label="label")
    verdict = judged(
        packaged("left", "right", target="delay"), gate, test=test, champion=packaged("noise", target="delay")
    )
    assert verdict.passed
    assert check(verdict, "better than champion").metric == "ndcg"


def test_a_ranking_of_a_classifier_is_told():
    test = flights().assign(query=1)
    assert "gives no numbers for ranking" in judged(packaged("left"), with_(group="query"), test=test).checks[0].message


def test_rows_of_the_champions_training_are_told_and_left_out():
    until = datetime(2013, 6, 16, tzinfo=UTC)
    verdict = judged(packaged("left", "right"), with_(time="at"), champion=packaged("left"), until=until)
    newer = int((flights()["at"] > until).sum())
    assert check(verdict, "better than champion").row_count == newer < 3000
    assert f"{3000 - newer:,} that overlap are left out" in check(verdict, "newer than the champion's training").message
    assert verdict.passed


def test_rows_that_the_champion_was_all_trained_on_judge_nothing():
    verdict = judged(
        packaged("left", "right"), with_(time="at"), champion=packaged("left"), until=datetime(2013, 12, 1, tzinfo=UTC)
    )
    assert not verdict.passed
    assert "no test row is newer" in check(verdict, "better than champion").message


@pytest.mark.parametrize("times", [1.5, "yesterday-ish"])
def test_a_time_that_is_none_is_a_failed_check(times):
    test, until = flights().assign(at=times), datetime(2013, 6, 1, tzinfo=UTC)
    verdict = judged(packaged("left", "right"), with_(time="at"), test=test, champion=packaged("left"), until=until)
    assert "'at'" in check(verdict, "better than champion").message
    assert "holds no times" in check(verdict, "better than champion").message
    by_last = judged(packaged("left"), with_(time="at", baseline=Baseline.last("port")), test=test, train=test)
    assert "holds no times" in check(by_last, "better than baseline").message
    assert "holds no times" in check(by_last, "training rows").message


def test_a_champion_whose_training_is_unknown_is_told():
    verdict = judged(packaged("left", "right"), with_(time="at"), champion=packaged("left"))
    assert "overlap cannot be told" in check(verdict, "newer than the champion's training").message


def test_a_champion_with_other_features_is_scored_on_its_own_for_the_same_keys():
    test, own = flights().drop(columns="left"), flights()[["id", "left"]].sample(frac=1, random_state=0)
    gate = with_(key=("id",))
    verdict = judged(packaged("right", "noise"), gate, test=test, champion=packaged("left"), champion_rows=own)
    direct = judged(packaged("right", "noise"), gate, champion=packaged("left"))
    assert check(verdict, "better than champion") == check(direct, "better than champion")
    assert check(verdict, "champion scores the rows").message == "late v3 cannot score 0 of 3,000 rows"


@pytest.mark.parametrize(("lost", "passes"), [(30, True), (31, False)])
def test_rows_that_the_champion_cannot_score_are_counted_and_fail_beyond_one_in_a_hundred(lost, passes):
    own = flights()[["id", "left"]].copy()
    own.loc[: lost // 2 - 1, "left"] = np.nan
    own = own.drop(index=range(1000, 1000 + lost - lost // 2))
    verdict = judged(packaged("left", "right"), with_(key=("id",)), champion=packaged("left"), champion_rows=own)
    found = check(verdict, "champion scores the rows")
    assert (found.passed, verdict.passed) == (passes, passes)
    assert f"cannot score {lost} of 3,000 rows" in found.message
    assert check(verdict, "better than champion").row_count == 3000 - lost


@pytest.mark.parametrize(
    ("gate", "own", "told"),
    [
        (GATE, lambda own: own, "does not say what joins them"),
        (with_(key=("id",)), lambda own: own.drop(columns="id"), "its own rows have no key column 'id'"),
        (with_(key=("id",)), lambda own: pd.concat([own, own.head(2)]), "2 of its own rows have a key twice"),
        (with_(key=("id",)), lambda own: own.drop(columns="left"), "'left', which its own rows lack"),
        (with_(key=("id",)), lambda own: own.assign(id=own["id"] + 10**9), "no row fits its fields 'left'"),
    ],
)
def test_own_rows_that_do_not_fit_are_a_failed_check(gate, own, told):
    verdict = judged(packaged("right"), gate, champion=packaged("left"), champion_rows=own(flights()[["id", "left"]]))
    assert told in check(verdict, "better than champion").message
    assert not verdict.passed


def test_a_model_that_is_better_and_worse_for_one_airport_is_refused_in_words():
    test = flights().copy()
    at_lga = test["port"] == "LGA"
    test.loc[at_lga, "right"] = -test.loc[at_lga, "right"]  # a sensor mounted upside down
    for gate in (with_(segments=("port",)), with_(slice_columns=("port", "noise"))):
        verdict = judged(packaged("left", "right"), gate, test=test, champion=packaged("left"))
        assert check(verdict, "better than champion").difference > -0.05
        failed = [one for one in verdict.checks if not one.passed and one.name.startswith(("segment", "slice"))]
        assert [one.name.endswith("port = LGA") for one in failed] == [True]
        assert "worse" in failed[0].message
        assert "late v3" in failed[0].message
    allowed = judged(
        packaged("left", "right"), with_(segments=("port",), segment_limit=0.5), test=test, champion=packaged("left")
    )
    assert check(allowed, "segment port = LGA").passed


def test_a_better_model_is_worse_in_no_segment_and_every_segment_keeps_its_numbers():
    gate = with_(segments=("port",), slice_columns=("*", "port"))
    verdict = judged(packaged("left", "right"), gate, champion=packaged("left"))
    assert verdict.passed
    segments = [one for one in verdict.checks if one.name.startswith("segment")]
    assert [one.name for one in segments] == [f"segment port = {port}" for port in PORTS]
    assert sum(one.row_count for one in segments) == 3000
    assert all(one.low < one.difference < one.high for one in segments)
    assert "slices of 3 columns" in check(verdict, "no slice is worse").message


def test_without_a_champion_segments_are_held_against_the_baseline():
    test = flights().copy()
    at_lga = test["port"] == "LGA"
    test.loc[at_lga, "left"] = -test.loc[at_lga, "left"]
    verdict = judged(packaged("left"), with_(segments=("port",)), test=test)
    assert check(verdict, "segment port = LGA").reference == 0.5
    assert not check(verdict, "segment port = LGA").passed


def test_segments_are_held_against_a_baseline_that_knows_nothing_of_the_first_rows():
    test = flights().copy()
    at_lga = test["port"] == "LGA"
    test.loc[at_lga, "left"] = -test.loc[at_lga, "left"]
    gate = with_(segments=("port",), time="at", baseline=Baseline.last("port"))
    verdict = judged(packaged("left"), gate, test=test)
    assert sum(one.row_count for one in verdict.checks if one.name.startswith("segment")) == 3000 - len(PORTS)
    assert not check(verdict, "segment port = LGA").passed


def test_slices_that_cannot_be_compared_are_told():
    test = flights().assign(rule=100 * flights()["right"])
    gate = with_(slice_columns=("*",), baseline=Baseline.of_column("rule"))
    assert "are no probabilities" in check(judged(packaged("left"), gate, test=test), "no slice is worse").message


@pytest.mark.parametrize("metric", ["bias", "nothing"])
def test_a_metric_that_orders_no_models_decides_nothing(metric):
    verdict = judged(packaged("left", target="delay"), with_(label="delay", metric=metric))
    assert [one.name for one in verdict.checks] == ["test rows"]
    assert not verdict.passed
    assert metric in verdict.checks[0].message


def test_segments_seldom_refuse_an_equal_model():
    refused = 0
    for seed in range(60):
        test = flights(seed + 200, 900)
        gate = with_(segments=("port", "day"), minimum_rows=100, resamples=50)
        verdict = judged(packaged("left"), gate, test=test, champion=packaged("right"))
        refused += any(not one.passed for one in verdict.checks if one.name.startswith("segment"))
    assert refused <= 9  # 3 are promised; more than 9 of 60 would happen once in a thousand times


def test_columns_that_are_not_there_are_a_failed_check():
    verdict = judged(packaged("left"), with_(segments=("airport",), slice_columns=("airport",)))
    assert "no column 'airport'" in check(verdict, "segments").message
    assert "no column 'airport'" in check(verdict, "no slice is worse").message


def test_test_rows_that_are_also_in_training_are_found_by_their_keys():
    train = flights(100)[["id", "at"]]
    leaky = pd.concat([train, flights()[["id", "at"]].iloc[:7].astype({"id": float})])
    clean = judged(packaged("left"), with_(key=("id",), time="at"), train=train)
    assert clean.passed
    assert clean.training.row_count == 3000
    assert clean.training.until == train["at"].max().ceil("us")
    verdict = judged(packaged("left"), with_(key=("id",), time="at"), train=leaky)
    found = check(verdict, "no test row is in training")
    assert (found.passed, found.value) == (False, 7.0)
    assert "7 of 3,000 test rows are also among" in found.message
    assert clean.training.keys_digest != verdict.training.keys_digest
    shuffled = judged(packaged("left"), with_(key=("id",), time="at"), train=train.sample(frac=1, random_state=1))
    assert clean.training == shuffled.training


def test_a_gate_that_is_not_shown_the_training_rows_says_that_leakage_was_not_checked():
    found = check(judged(packaged("left"), with_(key=("id",))), "no test row is in training")
    assert found.passed
    assert found.value is None
    assert "could not be checked" in found.message
    assert "no test row is in training" not in {one.name for one in judged(packaged("left")).checks}


def test_training_rows_without_the_key_are_a_failed_check():
    verdict = judged(packaged("left"), with_(key=("id",)), train=flights(100)[["at"]])
    assert "training rows have no column 'id'" in check(verdict, "no test row is in training").message
    assert not verdict.passed


def test_a_package_is_asked_in_a_fresh_process_and_kept_within_its_budget():
    roomy = with_(asks_package=True, budget=Budget(latency_p99_ms=10_000, size_mb=50, memory_mb=20_000))
    verdict = judged(packaged("left"), roomy)
    assert verdict.passed, verdict
    assert check(verdict, "expected answers").value <= 1e-6
    assert "onnxruntime" in check(verdict, "packages of the environment").message
    memory = check(verdict, "budget memory_mb")
    assert 10 < memory.value < 20_000
    tight = with_(asks_package=True, budget=Budget(latency_p99_ms=1e-6, size_mb=1e-6, memory_mb=1))
    failed = [one.name for one in judged(packaged("left"), tight).checks if not one.passed]
    assert failed == ["budget latency_p99_ms", "budget size_mb", "budget memory_mb"]


def altered(package: Package, **changes: object) -> Package:
    return Package(
        changes.get("manifest", package.manifest),
        changes.get("examples", package.examples),
        package.parity,
        changes.get("files", package.files),
        package.bill,
    )


def test_other_answers_to_the_stored_examples_are_refused():
    package = packaged("left")
    outputs = {name: [values[-1], *values[:-1]] for name, values in package.examples.outputs.items()}
    lying = altered(package, examples=msgspec.structs.replace(package.examples, outputs=outputs))
    found = check(judged(lying, with_(asks_package=True)), "expected answers")
    assert not found.passed
    assert "differ by" in found.message


def test_an_environment_without_the_packages_is_refused(tmp_path):
    package = packaged("left")
    manifest = msgspec.structs.replace(package.manifest, libraries={"no-such-distribution": "1.0"})
    found = check(judged(altered(package, manifest=manifest), with_(asks_package=True)), "packages of the environment")
    assert not found.passed
    assert "lacks no-such-distribution 1.0" in found.message
    nowhere = judged(package, with_(asks_package=True, environment=str(tmp_path / "python")))
    assert "cannot run the package" in check(nowhere, "package").message


def test_a_damaged_candidate_is_a_failed_check():
    verdict = judged(
        altered(packaged("left"), files=dict.fromkeys(packaged("left").files, b"damaged")), with_(asks_package=True)
    )
    assert "the candidate cannot score them" in verdict.checks[0].message
    assert not verdict.passed


def test_a_champion_of_other_labels_is_not_scored_by_their_position():
    model, test = late_as("no", "yes")
    found = check(judged(package_of(model), test=test, champion=packaged("left")), "better than champion")
    assert not found.passed
    assert "its classes are 0, 1, not no, yes" in found.message


def test_a_champion_whose_labels_have_another_order_is_scored_by_label():
    model, test = late_as("in time", "late")
    turned = copy.deepcopy(model)
    turned.classes_, turned.coef_, turned.intercept_ = model.classes_[::-1], -model.coef_, -model.intercept_
    assert package_of(turned).signature.classes == ("late", "in time")
    found = check(judged(package_of(model), test=test, champion=package_of(turned)), "better than champion")
    assert found.difference == 0.0


def late_as(*names: str) -> tuple[LogisticRegression, pd.DataFrame]:
    """A model that learned to say `names` of flights in time and of late ones, and test rows that say so."""
    train, test = (frame.assign(label=np.array(names)[frame["label"]]) for frame in (flights(100), flights()))
    return LogisticRegression().fit(train[["left"]], train["label"]), test


def package_of(model: LogisticRegression) -> Package:
    return package_model(model, flights(100)[["left"]][:50])


def test_callers_of_the_champion_must_be_able_to_go_on():
    gate = with_(keeps_signature=True)
    same = judged(packaged("left"), gate, champion=packaged("left"))
    assert check(same, "signature of the endpoint").passed
    found = check(judged(packaged("left", "right"), gate, champion=packaged("noise")), "signature of the endpoint")
    assert not found.passed
    assert "nobody sends the field 'left'" in found.message
    assert "the field 'noise' is no longer taken" in found.message


def test_a_candidate_without_signature_is_a_failed_check():
    package = packaged("left")
    signature = msgspec.structs.replace(package.signature, inputs=())
    bare = altered(package, manifest=msgspec.structs.replace(package.manifest, signature=signature))
    assert "has no signature" in judged(bare).checks[0].message


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_labels_that_are_no_numbers_are_a_failed_check(bad):
    test = flights().copy()
    test.loc[3, "delay"] = bad
    verdict = judged(packaged("left", target="delay"), with_(label="delay"), test=test)
    assert "1 of the numbers of column 'delay' are missing or infinite" in verdict.checks[0].message


def test_a_metric_without_a_number_passes_no_floor():
    test = flights().assign(delay=1.0)
    verdict = judged(
        packaged("left", target="delay"), with_(label="delay", metric="r2", floors={"r2": -1e9}), test=test
    )
    found = check(verdict, "floor of r2")
    assert (found.passed, found.value) == (False, None)
    assert not check(verdict, "better than baseline").passed


@pytest.mark.parametrize(("chance", "cadence"), [(1.2, 12), (0.5, 52)])
def test_of_equal_models_no_more_are_promoted_in_a_year_than_stated(chance, cadence):
    """Two models, equally good, each with its own noise; days have something in common that helps one or the other."""
    gate = Gate(block="day", chance_per_year=chance, runs_per_year=cadence, resamples=200)
    source, years, promoted = np.random.default_rng(5), 60 * 12 // cadence + 20, 0
    metric, day = metric_of("binary", "brier_score"), np.repeat(np.arange(14), 20)
    frame = pd.DataFrame({"day": day})
    for _ in range(years * cadence):
        truth = source.integers(0, 2, len(day)).astype(float)
        ours, theirs = (
            Scored(
                "binary",
                truth,
                0.5 + 0.2 * (truth - 0.5) + 0.1 * source.normal(size=14)[day] + 0.05 * source.normal(size=len(day)),
            )
            for _ in range(2)
        )
        found = GateRows.of(gate, frame, ours, metric).better_than("better than champion", "it", theirs, needed=0.0)
        promoted += found.passed
    expected = chance * years
    assert promoted <= expected + 3 * np.sqrt(expected)
    if chance > 1:
        assert promoted > 0  # a gate that never opens would keep the promise, too


def test_a_champion_that_cannot_be_read_fails_what_is_asked_of_it_and_nothing_else():
    lost = Champion("late", 3, ArtifactMissingError("its bytes are gone"))
    verdict = model_validation(packaged("left"), flights(), lost, gate=with_(keeps_signature=True))
    failed = {one.name: one.message for one in verdict.checks if not one.passed}
    assert failed == {
        "better than champion": "late v3 cannot be scored: its bytes are gone",
        "signature of the endpoint": "what callers of late v3 send cannot be told: its bytes are gone",
    }
    assert check(verdict, "better than baseline").passed
    with pytest.raises(ArtifactMissingError, match="its bytes are gone"):
        _ = lost.package
