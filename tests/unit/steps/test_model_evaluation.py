"""An evaluation tells what a person would compute by hand, and says what it cannot tell."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest
from lightgbm import LGBMClassifier, LGBMRanker, LGBMRegressor
from sklearn import metrics as sk
from sklearn.linear_model import LinearRegression, LogisticRegression, QuantileRegressor

from tidewheel.artifact_store.figure_codec import FigureCodec
from tidewheel.core.errors import NotFoundError, ParameterError, SchemaMismatchError
from tidewheel.core.records import EvaluationReport
from tidewheel.model_package import package_model
from tidewheel.steps.model_evaluation import Evaluation, model_evaluation

QUICK = {"resamples": 50, "importance_rows": 300}


def rows(seed: int = 0, count: int = 1200) -> pd.DataFrame:
    source = np.random.default_rng(seed)
    wind, rain = source.normal(size=count), source.normal(size=count)
    port = source.choice(["EWR", "JFK", "LGA"], count)
    late = (wind + 0.3 * rain + source.normal(size=count) > 0.8).astype(int)
    return pd.DataFrame(
        {
            "wind": wind,
            "rain": rain,
            "noise": source.normal(size=count),
            "port": port,
            "day": source.integers(0, 20, count),
            "late": late,
            "kind": np.where(late == 1, "late", np.where(wind < -1, "early", "on time")),
            "delay": 10 * wind + 3 * rain + source.normal(0, 4, count),
            "query": source.integers(0, 60, count),
            "grade": np.clip(np.round(wind + 1), 0, 3).astype(int),
        }
    )


FEATURES = ["wind", "rain", "noise"]
TRAIN, TEST = rows(1), rows(2)


def is_drawn(found: Evaluation) -> None:
    for figure in (found.quality, found.segments, found.importance):
        stream = io.BytesIO()
        FigureCodec().encode(figure, stream)
        assert stream.getvalue().startswith(b"\x89PNG")


def test_a_binary_model_is_told_in_whole_and_in_parts():
    model = LGBMClassifier(n_estimators=20, verbosity=-1, n_jobs=1).fit(TRAIN[FEATURES], TRAIN["late"])
    found = model_evaluation(model, TEST, label="late", block="day", segments=["port"], **QUICK)
    said = model.predict_proba(TEST[FEATURES])[:, 1]
    assert found.metrics["roc_auc"] == pytest.approx(sk.roc_auc_score(TEST["late"], said))
    assert found.metrics["roc_auc_low"] < found.metrics["roc_auc"] < found.metrics["roc_auc_high"]
    assert {"average_precision", "log_loss", "brier_score", "calibration_error", "f1"} <= set(found.metrics)
    report = found.report
    assert (report.problem, report.metric, report.block_count) == ("binary", "roc_auc", 20)
    assert report.importance[0].feature == "wind"
    assert all(one.shap is not None and one.shap >= 0 for one in report.importance)
    assert sum(one.row_count for one in report.calibration) == len(TEST)
    assert np.array(report.confusion).tolist() == sk.confusion_matrix(TEST["late"], said > 0.5).tolist()
    assert {one.segment for one in report.segments} == {"EWR", "JFK", "LGA"}
    assert [one.value for one in report.segments] == sorted(one.value for one in report.segments)
    assert EvaluationReport.from_json(report.to_json()) == report
    is_drawn(found)


def test_a_package_is_evaluated_as_its_model_is():
    model = LogisticRegression().fit(TRAIN[FEATURES], TRAIN["late"])
    package = package_model(model, TRAIN[FEATURES].head(50))
    ours, theirs = (model_evaluation(one, TEST, label="late", **QUICK) for one in (package, model))
    assert ours.metrics == pytest.approx(theirs.metrics, abs=1e-9)
    assert ours.report.confusion == theirs.report.confusion
    assert ours.report.importance[0].shap is None


def test_three_classes_numbers_quantiles_and_rankings_have_their_own_metrics():
    classes = LogisticRegression().fit(TRAIN[FEATURES], TRAIN["kind"])
    number = LGBMRegressor(n_estimators=20, verbosity=-1, n_jobs=1).fit(TRAIN[FEATURES], TRAIN["delay"])
    low, high = (
        QuantileRegressor(quantile=level, alpha=0).fit(TRAIN[["wind", "rain"]], TRAIN["delay"]) for level in (0.1, 0.9)
    )
    ordered = TRAIN.sort_values("query")
    ranker = LGBMRanker(n_estimators=10, verbosity=-1, n_jobs=1).fit(
        ordered[FEATURES], ordered["grade"], group=ordered.groupby("query").size().to_numpy()
    )
    for model, options, main in (
        (classes, {"label": "kind"}, "log_loss"),
        (number, {"label": "delay"}, "rmse"),
        ({"0.1": low, "0.9": high}, {"label": "delay"}, "pinball"),
        (high, {"label": "delay", "level": 0.9}, "pinball"),
        (ranker, {"label": "grade", "group": "query"}, "ndcg"),
    ):
        found = model_evaluation(model, TEST, **options, **QUICK)
        assert found.report.metric == main
        assert found.report.importance[0].feature == "wind"
        is_drawn(found)


def test_quantiles_that_are_right_cover_what_they_say():
    models = {
        str(level): QuantileRegressor(quantile=level, alpha=0).fit(TRAIN[["wind", "rain"]], TRAIN["delay"])
        for level in (0.1, 0.9)
    }
    found = model_evaluation(models, TEST, label="delay", **QUICK)
    assert found.metrics["coverage_error"] < 0.05
    assert found.metrics["crossing"] == 0.0


def test_shap_values_of_three_classes_are_added_up():
    model = LGBMClassifier(n_estimators=5, verbosity=-1, n_jobs=1).fit(TRAIN[FEATURES], TRAIN["kind"])
    found = model_evaluation(model, TEST, label="kind", **QUICK).report.importance
    assert {one.feature for one in found} == set(FEATURES)
    assert max(found, key=lambda one: one.shap).feature == "wind"


def test_xgboost_tells_its_own_contributions():
    xgboost = pytest.importorskip("xgboost")
    model = xgboost.XGBClassifier(n_estimators=10, n_jobs=1).fit(TRAIN[FEATURES], TRAIN["late"])
    found = model_evaluation(model, TEST, label="late", **QUICK).report.importance
    assert max(found, key=lambda one: one.shap).feature == "wind"


def test_the_slice_in_which_answers_are_bad_is_found():
    bad = rows(3, 4000)
    is_jfk = bad["port"] == "JFK"
    bad.loc[is_jfk, "delay"] += np.random.default_rng(0).normal(0, 15, int(is_jfk.sum()))
    model = LinearRegression().fit(TRAIN[FEATURES], TRAIN["delay"])
    found = model_evaluation(model, bad, label="delay", slice_columns=["port", "wind"], block="day", **QUICK).report
    assert found.slices[0].words == "port = JFK"
    assert found.slices[0].excess > 3
    assert found.slices_looked_at > 5


def test_rows_of_one_class_leave_out_what_they_do_not_have_and_say_so():
    model = LogisticRegression().fit(TRAIN[FEATURES], TRAIN["late"])
    found = model_evaluation(model, TEST[TEST["late"] == 0], label="late", **QUICK)
    assert "roc_auc" not in found.metrics
    assert found.metrics["accuracy"] > 0.5
    assert any("all of one class" in note for note in found.report.notes)
    is_drawn(found)


def test_what_is_no_test_is_refused():
    model = LinearRegression().fit(TRAIN[FEATURES], TRAIN["delay"])
    with pytest.raises(ParameterError, match="no test rows"):
        model_evaluation(model, TEST.head(0), label="delay")
    with pytest.raises(NotFoundError, match="airport"):
        model_evaluation(model, TEST, label="delay", segments=["airport"])
    with pytest.raises(SchemaMismatchError, match="missing or infinite"):
        model_evaluation(model, TEST.assign(delay=np.inf), label="delay")
    with pytest.raises(SchemaMismatchError, match="'wind', which the rows lack"):
        model_evaluation(model, TEST.drop(columns="wind"), label="delay")
    with pytest.raises(NotFoundError, match="rmse"):
        model_evaluation(model, TEST, label="delay", metric="accuracy")


def test_a_model_without_signature_is_refused_until_its_features_are_named():
    model = LinearRegression().fit(TRAIN[FEATURES].to_numpy(), TRAIN["delay"])
    with pytest.raises(SchemaMismatchError, match="has no signature"):
        model_evaluation(model, TEST, label="delay")
    assert model_evaluation(model, TEST, label="delay", features=FEATURES, **QUICK).metrics["r2"] > 0.5


class Infinite(LinearRegression):
    def predict(self, rows: pd.DataFrame) -> np.ndarray:
        return np.full(len(rows), np.inf)


def test_answers_that_are_no_numbers_are_refused():
    model = Infinite().fit(TRAIN[FEATURES], TRAIN["delay"])
    with pytest.raises(ParameterError, match="answers are missing or infinite"):
        model_evaluation(model, TEST, label="delay")


@pytest.mark.parametrize("level", [0.0, 1.0, 1.5, -0.1])
def test_a_level_that_is_none_is_refused(level):
    rows = pd.DataFrame({"x": [1.0, 2.0, 3.0], "label": [1.0, 2.0, 4.0]})
    model = LinearRegression().fit(rows[["x"]], rows["label"])
    with pytest.raises(ParameterError, match=f"level {level} is not between 0 and 1"):
        model_evaluation(model, rows, level=level)
