"""Searches over a problem whose answer is known, with every way in which a trial can go wrong."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import lightgbm
import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import LogisticRegression

import tuning_trials
from processes import wait_until
from tidewheel.artifact_store import LocalArtifactStore
from tidewheel.core.errors import NotFoundError, ParameterError, ParametersError, StepError
from tidewheel.pipeline import step
from tidewheel.steps.estimator_fit import fit_estimator
from tidewheel.steps.model_tuning import tune
from tidewheel.steps.time_splits import time_splits
from tidewheel.steps.trial import TrialRecord
from tidewheel.workspace.codecs import codec_table
from tuning_trials import SPACE, rows

OPTIONS = {"space": SPACE, "metric": "mae", "score": tuning_trials.error, "trials": 12, "seed": 3}


def search(fit=tuning_trials.fit, **options):
    return tune(fit, rows(), rows(20, 60), **(OPTIONS | options))


@pytest.fixture(scope="module")
def found():
    return search()


def test_the_best_trial_is_the_best_of_the_table_and_its_model_is_fitted_on_all_rows(found):
    table = found.trials.to_pandas()
    assert table["number"].tolist() == list(range(12))
    assert set(table["state"]) == {"succeeded"}
    best = table.loc[table["value"].idxmin()]
    assert (found.best["number"], found.best["value"]) == (best["number"], best["value"])
    assert found.best["algorithm"] == best["algorithm"]
    assert found.model.rows == 80
    assert found.metrics["tuned_mae"] == best["value"]
    assert found.metrics["trials_succeeded"] == 12.0
    assert table["metric.rows"].eq(20).all()


def test_an_algorithm_is_asked_for_its_own_parameters_only(found):
    table = found.trials.to_pandas()
    assert set(table["algorithm"]) == {"line", "constant"}
    for algorithm, own, other in (
        ("line", "line.slope", "constant.level"),
        ("constant", "constant.level", "line.slope"),
    ):
        part = table[table["algorithm"] == algorithm]
        assert part[own].notna().all()
        assert part[other].isna().all()
    line = table[table["algorithm"] == "line"]
    assert line["line.slope"].between(-4, 4).all()
    assert line["line.shift"].between(0.01, 1).all()
    assert set(line["line.kind"]) <= {"a", "b"}


def test_the_result_does_not_depend_on_workers_or_timing(found, tmp_path):
    store = LocalArtifactStore(tmp_path, codec_table())
    others = [search(tuning_trials.fit_slowly, workers=count) for count in (1, 4)]
    digests = {store.put(one.trials).digest for one in (found, *others)}
    assert len(digests) == 1
    assert all(one.best == found.best for one in others)


def test_another_seed_asks_for_something_else(found):
    assert not search(seed=4).trials.equals(found.trials)


def test_what_goes_wrong_in_a_trial_is_a_failed_trial_and_the_search_goes_on():
    found = search(tuning_trials.fit_with_trouble, timeout_s=8.0, memory_mb=500, workers=2)
    table = found.trials.to_pandas().set_index("number")
    assert table.index[table["state"] == "failed"].tolist() == [1, 2, 3, 4, 5, 6]
    reasons = table["reason"].to_dict()
    assert "killed by signal 6 (SIGABRT)" in reasons[1]
    assert "longer than its timeout of 8 s" in reasons[2]
    assert "ran out of memory" in reasons[3]
    assert reasons[4] == "ValueError: no such kernel"
    assert reasons[5] == "SystemExit: 3"
    assert "exited with code 7" in reasons[6]
    assert table.loc[[1, 2, 3, 4, 5, 6], "value"].isna().all()
    assert (found.metrics["trials_failed"], found.metrics["trials_succeeded"]) == (6.0, 6.0)


@pytest.mark.parametrize(
    ("fit", "score", "said"),
    [
        pytest.param(tuning_trials.fail, tuning_trials.error, "RuntimeError: never works", id="raises"),
        pytest.param(tuning_trials.fit, tuning_trials.not_a_number, "metric mae is nan", id="nan"),
        pytest.param(tuning_trials.fit, tuning_trials.other_name, "no metric 'mae', only mse", id="other-metric"),
    ],
)
def test_when_all_trials_fail_the_search_says_why(fit, score, said, tmp_path):
    with pytest.raises(StepError, match=f"all 2 trials failed; the first: .*{said}"):
        search(fit, score=score, trials=2, scratch=tmp_path / "scratch")
    assert not (tmp_path / "scratch").exists()


def test_an_infinite_metric_fails_its_trial_only():
    table = search(score=tuning_trials.sometimes_infinite).trials.to_pandas()
    assert set(table[table["algorithm"] == "constant"]["reason"]) == {"metric mae is inf"}
    assert set(table[table["algorithm"] == "line"]["state"]) == {"succeeded"}


def test_trials_that_others_left_behind_are_pruned_alike_with_any_number_of_workers():
    tables = [search(tuning_trials.fit_in_rounds, trials=24, workers=count).trials for count in (1, 4)]
    assert tables[0].equals(tables[1])
    states = tables[0].column("state").to_pylist()
    assert states.count("pruned") >= 3
    assert set(states[:5]) == {"succeeded"}
    table = tables[0].to_pandas()
    assert table.loc[table["state"] == "pruned", "value"].min() > table["value"].min()


def test_folds_are_in_time_order_and_the_model_is_fitted_on_all():
    found = tune(tuning_trials.fit, rows(), folds=3, time="day", **OPTIONS)
    table = found.trials.to_pandas()
    assert {len(folds) for folds in table.loc[table["state"] == "succeeded", "folds"]} == {3}
    assert {len(folds) for folds in table.loc[table["state"] == "pruned", "folds"]} <= {1, 2}
    assert found.model.rows == 60


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        pytest.param({"space": {}}, ParametersError, "names no algorithm", id="empty-space"),
        pytest.param({"space": {"a": {"b": {"low": 1}}}}, ParametersError, "no high @ a.b", id="half-a-range"),
        pytest.param({"space": {"a": {"b": {}}}}, ParametersError, "no low and no high @ a.b", id="no-range"),
        pytest.param({"space": {"a": {"b": {"low": 2, "high": 1}}}}, ParametersError, "2 is not below", id="inverted"),
        pytest.param({"metric": "speed"}, ParameterError, "whether more of metric 'speed'", id="direction"),
        pytest.param({"trials": 0}, ParameterError, "trials is 0", id="no-trials"),
        pytest.param({"time": "hour"}, NotFoundError, "column 'hour'", id="no-time-column"),
        pytest.param({"folds": 3}, ParameterError, "either validation rows or", id="both"),
        pytest.param({"fit": lambda trial, train, validation, at=threading.Lock(): 1}, StepError, "taken", id="lock"),
    ],
)
def test_what_cannot_be_searched_is_refused_before_a_trial_starts(options, error, said):
    with pytest.raises(error, match=said):
        search(**options)


def test_validation_rows_that_are_not_later_are_refused():
    with pytest.raises(ParameterError, match="begin at day 29, and the training rows end at 29"):
        tune(tuning_trials.fit, rows(), rows(20, 58), time="day", **OPTIONS)


def test_folds_keep_the_rows_of_a_query_together_and_judge_what_comes_later():
    frame = pd.DataFrame({"day": [1, 3, 2, 2, 4, 4, 5, 1], "query": list("aabbccdd")})
    found, splits = time_splits(frame, None, folds=2, time="day", group="query")
    parts = [(set(found["query"].iloc[learn]), set(found["query"].iloc[judge])) for learn, judge in splits]
    assert parts == [({"a", "b"}, {"c"}), ({"a", "b", "c"}, {"d"})]  # d's last row is the last of all
    with pytest.raises(ParameterError, match="2 values of 'query' have training rows and validation rows"):
        time_splits(frame[::2], frame[1:4], folds=0, time="", group="query")


def test_a_ranking_is_tuned_by_the_order_within_its_queries():
    source = np.random.default_rng(1)
    frame = pd.DataFrame({"day": np.repeat(np.arange(30), 10), "good": source.normal(size=300)})
    frame = frame.assign(query=frame["day"], label=(frame["good"] + source.normal(size=300) > 0.5).astype(int))

    def fit(trial, train, validation):
        estimator = lightgbm.LGBMRanker(n_estimators=20, min_child_samples=5, **trial.parameters)
        chosen = {"features": ["good"], "group": "query", "rounds": trial.rounds}
        return fit_estimator(estimator, train, validation, **chosen)

    space = {"ranker": {"num_leaves": [2, 7]}}
    found = tune(fit, frame, folds=2, time="day", group="query", space=space, metric="ndcg", trials=2, seed=3)
    assert found.metrics["trials_succeeded"] == 2
    assert 0.7 < found.best["value"] <= 1
    assert type(found.model).__name__ == "LGBMRanker"


def test_a_quantile_is_tuned_by_its_pinball_loss():
    source = np.random.default_rng(1)
    frame = pd.DataFrame({"day": np.arange(200), "label": source.normal(size=200)})

    def fit(trial, train, validation):
        return fit_estimator(DummyRegressor(strategy="quantile", **trial.parameters), train)

    space = {"constant": {"quantile": [0.1, 0.5, 0.9]}}
    found = tune(fit, frame, folds=2, time="day", space=space, metric="pinball", level=0.9, trials=4, seed=3)
    assert found.best["parameters"] == {"quantile": 0.9}
    assert {"tuned_pinball", "tuned_coverage_error"} <= set(found.metrics)


def test_functions_of_a_notebook_and_steps_will_do():
    factor = 2.0

    def own(trial, train, validation):
        return tuning_trials.Curve(factor * trial.parameters["slope"], 0.1, len(train))

    options = {"space": {"own": {"slope": [1.0, 9.0]}}, "metric": "mae", "score": tuning_trials.error, "trials": 4}
    for fit in (own, step(own)):
        assert tune(fit, rows(), rows(20, 60), **options).best["parameters"] == {"slope": 1.0}


def fit_real(trial, train, validation):
    if trial.algorithm == "lightgbm":
        estimator = lightgbm.LGBMClassifier(n_estimators=300, **trial.parameters)
    else:
        estimator = LogisticRegression(**trial.parameters)
    return fit_estimator(estimator, train, validation, patience=5, rounds=trial.rounds)


def test_real_estimators_stop_early_in_trials_and_boost_as_long_in_the_last_fit():
    source = np.random.default_rng(5)
    data = pd.DataFrame({"a": source.normal(size=600), "b": source.normal(size=600)})
    data = data.assign(label=(np.sin(3 * data["a"]) + source.normal(size=600) > 0).astype(int))
    space = {
        "lightgbm": {"num_leaves": {"low": 3, "high": 15}},
        "logistic": {"C": {"low": 0.01, "high": 9.0, "log": True}},
    }
    found = tune(fit_real, data[:400], data[400:], space=space, metric="roc_auc", trials=6, seed=1)
    table = found.trials.to_pandas()
    assert found.best["algorithm"] == "lightgbm"
    assert found.best["rounds"] < 300
    assert found.model.n_estimators == found.best["rounds"]
    assert table[table["algorithm"] == "logistic"]["rounds"].isna().all()
    assert found.model.random_state == found.best["seed"]


PROGRAM = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
import tuning_trials
from tidewheel.steps.model_tuning import tune
found = tune(tuning_trials.fit_and_count, tuning_trials.rows(), tuning_trials.rows(20, 60), space=tuning_trials.SPACE,
             metric="mae", score=tuning_trials.error, trials=12, seed=3, workers=2, scratch=Path({scratch!r}))
print(found.best["number"], found.trials.column("value").to_pylist())
"""


def test_a_killed_search_goes_on_and_repeats_no_trial_that_had_finished(found, tmp_path):
    marks, scratch = tmp_path / "marks", tmp_path / "scratch"
    marks.mkdir()
    program = PROGRAM.format(tests=str(Path(tuning_trials.__file__).parent), scratch=str(scratch))
    environment = {**os.environ, "MARKS": str(marks)}
    process = subprocess.Popen([sys.executable, "-c", program], env=environment, stderr=subprocess.DEVNULL)
    wait_until((scratch / "trial-00007.json").exists)  # 6 waits at the gate
    process.send_signal(signal.SIGKILL)
    process.wait()
    trials = [int(path.name.partition("-")[2]) for path in marks.glob("*-*")]
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in trials))  # nothing of it lives on
    assert len(list(marks.glob("*-*"))) == 8
    (marks / "gate").touch()
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stderr.count("(from before)") == 7
    counts = [len(list(marks.glob(f"{number}-*"))) for number in range(12)]
    assert counts == [1, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1, 1]
    assert done.stdout.split(" ", 1)[0] == str(found.best["number"])
    assert str(found.trials.column("value").to_pylist()) in done.stdout


def test_a_kept_trial_counts_only_for_the_same_question_and_the_same_modules(tmp_path):
    search(trials=2, scratch=tmp_path)
    kept = TrialRecord.find(tmp_path, 1)
    strange = TrialRecord(key=kept.key, state="succeeded", value=-5.0, metrics={"mae": -5.0})
    strange.write(tmp_path, 1)
    assert search(trials=2, scratch=tmp_path).best["value"] == -5.0  # it really is read
    assert search(trials=2, scratch=tmp_path, seed=9).best["value"] > 0
    TrialRecord.from_dict(
        {**strange.to_dict(), "key": kept.key, "modules": {"gone": {"path": "gone.py", "digest": ""}}}
    ).write(tmp_path, 1)
    assert search(trials=2, scratch=tmp_path).best["value"] > 0
    (tmp_path / "trial-00001.json").write_text("{ torn")
    assert search(trials=2, scratch=tmp_path).best["value"] > 0


def test_in_a_notebook_an_edited_score_or_other_rows_ask_anew(tmp_path):
    def scored_as(number):
        if number == 1:
            return lambda model, rows: {"mae": 1.0}
        return lambda model, rows: {"mae": 2.0}

    first = search(score=scored_as(1), trials=1, scratch=tmp_path)
    assert first.best["value"] == 1.0
    kept = TrialRecord.find(tmp_path, 0)
    search(score=scored_as(1), trials=1, scratch=tmp_path)
    assert TrialRecord.find(tmp_path, 0) == kept
    assert search(score=scored_as(2), trials=1, scratch=tmp_path).best["value"] == 2.0
    edited = TrialRecord.find(tmp_path, 0)
    options = OPTIONS | {"score": scored_as(2), "trials": 1, "scratch": tmp_path}
    tune(tuning_trials.fit, rows() + 1, rows(20, 60), **options)
    assert TrialRecord.find(tmp_path, 0).key != edited.key


def test_a_hung_trial_holds_nobody_longer_than_its_timeout():
    started = time.monotonic()
    with pytest.raises(StepError, match="longer than its timeout"):
        search(lambda trial, train, validation: time.sleep(600), trials=2, workers=2, timeout_s=0.5)
    assert time.monotonic() - started < 240
