"""The step keeps what it packages in the same bytes, whatever the model."""

from __future__ import annotations

import io

import lightgbm
import numpy as np
import pandas as pd
import pytest
import xgboost
from lightgbm import LGBMClassifier
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression

from tidewheel.core.errors import CodecNotFoundError, ConversionError
from tidewheel.model_package import Package
from tidewheel.model_package.signature import columns_of
from tidewheel.pipeline import pipeline, table
from tidewheel.steps.estimator_fit import as_categories, fit_estimator
from tidewheel.steps.model_packaging import model_packaging

SOURCE = np.random.default_rng(4)
X = pd.DataFrame({"a": SOURCE.normal(size=200), "b": SOURCE.integers(0, 9, 200)})
Y = (X["a"] > 0).to_numpy().astype(int)


def booster() -> lightgbm.Booster:
    parameters = {"objective": "cross_entropy", "num_threads": 1, "verbose": -1}
    return lightgbm.train(parameters, lightgbm.Dataset(X, Y), 3)


MODELS = {
    "onnx": lambda: HistGradientBoostingClassifier(max_iter=3, random_state=1).fit(X, Y),
    "linear": lambda: LogisticRegression().fit(X, Y),
    "forest": lambda: RandomForestClassifier(3, random_state=1).fit(X, Y),
    "booster": booster,
}


def written(package: Package) -> bytes:
    buffer = io.BytesIO()
    package.write(buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("model", MODELS)
def test_the_same_model_gives_the_same_package(model):
    packages = [model_packaging(MODELS[model](), X) for _ in range(2)]
    assert packages[0].digest == packages[1].digest
    assert written(packages[0]) == written(packages[1])
    assert packages[0].runtime == ("sklearn" if model == "booster" else "onnx")


@pytest.mark.parametrize("model", MODELS)
def test_a_stored_package_answers_as_the_model(tmp_path, model):
    fitted = MODELS[model]()
    (tmp_path / "p").write_bytes(written(model_packaging(fitted, X)))
    package = Package.read(tmp_path / "p")
    package.check_examples()
    answers = package.open().predict(columns_of(X))
    said = fitted.predict(X) if model == "booster" else fitted.predict_proba(X)[:, 1]
    np.testing.assert_allclose(answers.get("probability", answers.get("prediction")), said, atol=1e-12)


@pytest.mark.parametrize("estimator", [LGBMClassifier(n_estimators=5), HistGradientBoostingClassifier(max_iter=5)])
def test_text_that_training_made_categories_of_is_packaged_as_it_is(estimator):
    rows = X.assign(port=np.array(["EWR", "JFK", "LGA", None], dtype=object)[X["b"] % 4])
    fitted = fit_estimator(estimator, rows.assign(label=(X["b"] % 4 == 1) ^ (Y == 1)))
    package = model_packaging(fitted, rows[:150], rows[150:])
    assert (package.runtime, package.signature.inputs[2].domain) == ("onnx", ("EWR", "JFK", "LGA"))
    answers = package.open().predict(columns_of(rows))["probability"]
    np.testing.assert_allclose(answers, fitted.predict_proba(as_categories(fitted, rows))[:, 1], atol=1e-12)


@pytest.mark.parametrize(
    ("estimator", "runtime"),
    [
        # Neither has an exact ONNX form: zero_as_missing, and XGBoost's own categories.
        (LGBMClassifier(n_estimators=5, zero_as_missing=True, min_data_per_group=1, cat_smooth=0), "sklearn"),
        (xgboost.XGBClassifier(n_estimators=5, max_cat_to_onehot=1), "xgboost"),
    ],
    ids=["lightgbm", "xgboost"],
)
def test_a_native_form_knows_the_categories_of_its_model_though_the_sample_has_fewer(estimator, runtime):
    rows = X.assign(port=np.array(["EWR", "JFK", "LGA", "PHL"], dtype=object)[X["b"] % 4])
    fitted = fit_estimator(estimator, rows.assign(label=(X["b"] % 4 == 3).astype(int)))
    package = model_packaging(fitted, rows[rows["port"] == "EWR"])
    assert (package.runtime, package.signature.inputs[2].domain) == (runtime, ("EWR", "JFK", "LGA", "PHL"))
    answers = package.open().predict(columns_of(rows))["probability"]
    np.testing.assert_allclose(answers, fitted.predict_proba(as_categories(fitted, rows))[:, 1], atol=1e-12)


@pytest.mark.parametrize("maker", [lightgbm.LGBMRanker, xgboost.XGBRanker], ids=lambda one: one.__name__)
def test_a_ranker_is_packaged_with_its_scores(maker):
    query = np.repeat(np.arange(20), 10)
    named = {"group": np.full(20, 10)} if maker is lightgbm.LGBMRanker else {"qid": query}
    fitted = maker(n_estimators=5, verbosity=0).fit(X, Y, **named)
    package = model_packaging(fitted, X)
    assert package.runtime == "onnx"
    np.testing.assert_allclose(package.open().predict(columns_of(X))["prediction"], fitted.predict(X), atol=1e-6)


def test_a_model_of_several_outputs_is_refused():
    with pytest.raises(ConversionError, match="gives 2 numbers a row"):
        model_packaging(LinearRegression().fit(X, X), X)


def test_a_class_that_only_looks_like_an_estimator_is_refused_in_words():
    class Own:
        def fit(self, rows, labels):
            return self

    with pytest.raises(ConversionError, match="Own is no model of a library"):
        model_packaging(Own(), X)


class Mine(LogisticRegression):
    pass


def test_a_class_of_the_user_is_refused_when_packaging():
    with pytest.raises((CodecNotFoundError, ConversionError), match="Mine"):
        model_packaging(Mine().fit(X, Y), X)


def test_tolerance_decides():
    fitted = MODELS["onnx"]()
    assert model_packaging(fitted, X, tolerance=1e-12).runtime == "onnx"
    assert model_packaging(fitted, X, tolerance=1e-12, example_count=2).examples.inputs["b"] == X["b"][:2].tolist()


def test_inside_a_pipeline_it_is_a_node():
    @pipeline
    def packaging():
        rows = table("rows")
        return model_packaging(rows, rows)

    assert [node.id for node in packaging().nodes] == ["rows", "model_packaging"]
