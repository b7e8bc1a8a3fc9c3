"""The step keeps what it packages in the same bytes, whatever the model."""

from __future__ import annotations

import io

import lightgbm
import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from tidewheel.core.errors import CodecNotFoundError, ConversionError
from tidewheel.model_package import Package
from tidewheel.model_package.signature import columns_of
from tidewheel.pipeline import pipeline, table
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
