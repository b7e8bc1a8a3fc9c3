"""Nothing is believed: a wrong conversion is seen and told, and the native form answers instead."""

from __future__ import annotations

import dataclasses
import math
import os
import subprocess
import sys

import lightgbm
import msgspec
import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder

from tidewheel.core.errors import ConversionError, ParameterError, SchemaMismatchError
from tidewheel.model_package import Package, package_model
from tidewheel.model_package.forest import Forest, Leaf, Split
from tidewheel.model_package.forest_conversion import ForestConverter
from tidewheel.model_package.onnx_forest import write_onnx
from tidewheel.model_package.packaging import CONVERTERS
from tidewheel.model_package.signature import Signature, columns_of
from tidewheel.steps.model_packaging import model_packaging


def flights(rows: int = 300) -> tuple[pd.DataFrame, np.ndarray]:
    source = np.random.default_rng(5)
    x = pd.DataFrame(
        {
            "distance": source.normal(size=rows),
            "hour": source.integers(0, 24, rows),
            "carrier": pd.Categorical(source.choice(["UA", "DL", "B6"], rows), ["B6", "DL", "UA"]),
        }
    )
    return x, ((x["distance"] + (x["carrier"] == "UA")) > 0.3).to_numpy().astype(int)


def hist() -> HistGradientBoostingClassifier:
    return HistGradientBoostingClassifier(max_iter=6, categorical_features="from_dtype", random_state=1).fit(*flights())


def one_hot(model: object) -> object:
    encode = ColumnTransformer(
        [("carrier", OneHotEncoder(handle_unknown="ignore"), ["carrier"])], remainder="passthrough"
    )
    return make_pipeline(encode, model).fit(*flights())


def changed(forest: Forest, change) -> Forest:
    """The forest with one node of its first tree that `change` accepts replaced."""
    is_done = False

    def walk(node: Split | Leaf) -> Split | Leaf:
        nonlocal is_done
        if not is_done and (found := change(node)) is not None:
            is_done = True
            return found
        if isinstance(node, Leaf):
            return node
        return dataclasses.replace(node, left=walk(node.left), right=walk(node.right))

    trees = tuple((target, walk(tree)) for target, tree in forest.trees)
    assert is_done, "the planted fault found no place"
    return dataclasses.replace(forest, trees=trees)


def is_number(node: Split | Leaf) -> bool:
    return isinstance(node, Split) and node.threshold is not None


def is_category(node: Split | Leaf) -> bool:
    return isinstance(node, Split) and node.threshold is None


def up(value: float) -> float:
    return math.nextafter(value, math.inf)


FAULTS = {
    "a threshold one bit too high": lambda node: (
        dataclasses.replace(node, threshold=up(node.threshold)) if is_number(node) else None
    ),
    "a threshold in float32": lambda node: (
        dataclasses.replace(node, threshold=float(np.float32(node.threshold)))
        if is_number(node) and float(np.float32(node.threshold)) != node.threshold
        else None
    ),
    "a flipped decision": lambda node: (
        dataclasses.replace(node, left=node.right, right=node.left) if is_number(node) else None
    ),
    "a category lost": lambda node: dataclasses.replace(node, members=node.members[1:]) if is_category(node) else None,
    "missing sent elsewhere": lambda node: (
        dataclasses.replace(node, is_missing_left=not node.is_missing_left) if is_category(node) else None
    ),
    "a leaf changed": lambda node: Leaf(node.value + 1e-3) if isinstance(node, Leaf) else None,
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_wrong_conversion_is_seen_and_the_native_form_answers(fault):
    def wrong(forest: Forest, signature: Signature) -> bytes:
        return write_onnx(changed(forest, FAULTS[fault]), signature)

    x, _ = flights()
    model = hist()
    package = package_model(model, x, converters=[ForestConverter(wrong)])
    assert package.runtime == "sklearn"
    assert "differs by" in package.manifest.reason
    assert "model.onnx" not in package.files
    said = package.open().predict(columns_of(x))["probability"]
    np.testing.assert_array_equal(said, model.predict_proba(x)[:, 1])
    assert package_model(model, x).runtime == "onnx"


def test_exchanged_class_names_are_seen():
    x, y = flights()
    model = HistGradientBoostingClassifier(max_iter=4).fit(x[["distance"]], np.where(y, "late", "punctual"))

    def wrong(forest: Forest, signature: Signature) -> bytes:
        return write_onnx(forest, msgspec.structs.replace(signature, classes=signature.classes[::-1]))

    package = package_model(model, x[["distance"]], converters=[ForestConverter(wrong)])
    assert package.runtime == "sklearn"
    assert "inf" in package.manifest.reason


def test_a_converter_that_writes_rubbish_is_survived():
    package = package_model(hist(), flights()[0], converters=[ForestConverter(lambda forest, signature: b"rubbish")])
    assert package.runtime == "sklearn"
    assert "cannot be loaded" in package.manifest.reason


@pytest.mark.parametrize("name", ["label", "probability", "_features", "_sums", "_code_0"])
def test_columns_may_be_called_like_parts_of_the_graph(name):
    x, y = flights()
    x = x.rename(columns={"distance": name})
    model = HistGradientBoostingClassifier(max_iter=3, categorical_features="from_dtype").fit(x, y)
    said = package_model(model, x).open().predict(columns_of(x))["probability"]
    np.testing.assert_allclose(said, model.predict_proba(x)[:, 1], atol=1e-12)


@pytest.mark.parametrize(
    "model", [LogisticRegression(max_iter=500), RandomForestClassifier(4, random_state=1), LinearRegression()], ids=str
)
@pytest.mark.parametrize("text", ["category", "str", "object"])
def test_native_forms_answer_as_the_model(model, text):
    x, y = flights()
    x = x.astype({"carrier": text})
    encode = ColumnTransformer([("c", OneHotEncoder(handle_unknown="ignore"), ["carrier"])], remainder="passthrough")
    fitted = make_pipeline(encode, model).fit(x, y)
    package = package_model(fitted, x, converters=())
    assert package.runtime == "sklearn"
    assert "no exact form" in package.manifest.reason
    assert package.parity.maximum_difference < 1e-9
    answers = package.open().predict(columns_of(x.iloc[:20]))
    if "prediction" in answers:
        np.testing.assert_allclose(answers["prediction"], fitted.predict(x.iloc[:20]))
    else:
        np.testing.assert_array_equal(answers["label"], fitted.predict(x.iloc[:20]))


def test_missing_text_stays_missing_in_the_native_form():
    x, y = flights()
    x = x.astype({"carrier": "str"})
    x.loc[::5, "carrier"] = None
    encode = ColumnTransformer([("c", OneHotEncoder(), ["carrier"])], remainder="passthrough")
    fitted = make_pipeline(encode, LogisticRegression(max_iter=500)).fit(x, y)
    said = package_model(fitted, x, converters=()).open().predict(columns_of(x))["probability"]
    np.testing.assert_array_equal(said, fitted.predict_proba(x)[:, 1])


@pytest.mark.parametrize("converters", [CONVERTERS, ()], ids=["onnx", "native"])
def test_a_value_that_the_model_itself_refuses_is_a_misfit(converters):
    x, y = flights()
    encode = ColumnTransformer([("c", OneHotEncoder(), ["carrier"])], remainder="passthrough")
    x = x.astype({"carrier": "str"})
    fitted = make_pipeline(encode, LogisticRegression(max_iter=500)).fit(x, y)
    package = package_model(fitted, x, converters=converters)
    assert package.runtime == ("onnx" if converters else "sklearn")
    with pytest.raises(SchemaMismatchError, match="unknown"):
        package.open().predict({"distance": [0.1], "hour": [1], "carrier": ["ZZ"]})


@pytest.mark.parametrize("library", ["hist", "lightgbm"])
def test_categories_of_numbers_are_answered_in_numbers(library):
    x, y = flights()
    x = x.assign(carrier=pd.Categorical(x["carrier"].cat.codes + 10))
    model = (
        HistGradientBoostingClassifier(max_iter=4, categorical_features="from_dtype")
        if library == "hist"
        else lightgbm.LGBMClassifier(n_estimators=4, n_jobs=1, verbose=-1)
    ).fit(x, y)
    package = package_model(model, x)
    assert {field.name: field.kind for field in package.signature.inputs}["carrier"] == "integer"
    said = package.open().predict(columns_of(x))["probability"]
    np.testing.assert_allclose(said, model.predict_proba(x)[:, 1], atol=1e-12)


@pytest.mark.parametrize("objective", ["cross_entropy", "binary", "multiclassova"])
def test_boosters_without_an_onnx_form_answer_natively(objective):
    x, y = flights()
    parameters = {"objective": objective, "verbose": -1, "num_threads": 1, "sigmoid": 2.0}
    if objective == "multiclassova":
        parameters["num_class"], y = 3, y + (x["hour"] > 12).to_numpy()
    booster = lightgbm.train(parameters, lightgbm.Dataset(x, y), 3)
    package = model_packaging(booster, x)
    assert package.runtime == "sklearn"
    answers = package.open().predict(columns_of(x))
    assert set(answers) == ({"prediction"} if objective == "cross_entropy" else {"label", "probability"})
    np.testing.assert_array_equal(answers.get("prediction", answers.get("probability")), booster.predict(x))


def test_the_sqrt_of_lightgbm_is_told():
    x, y = flights()
    model = lightgbm.LGBMRegressor(n_estimators=3, n_jobs=1, verbose=-1, reg_sqrt=True).fit(x, y + 1.0)
    assert "reg_sqrt" in package_model(model, x).manifest.reason


class Mine:
    def predict(self, rows):
        return np.zeros(len(rows))


@pytest.mark.parametrize(
    ("model", "sample", "told"),
    [
        pytest.param(hist(), flights()[0].iloc[:0], "no rows", id="no rows"),
        pytest.param(hist(), flights()[0].drop(columns="hour"), "lacks 'hour'", id="a column too few"),
        pytest.param(hist(), flights()[0].assign(day=1), "has 'day' besides", id="a column too many"),
        pytest.param(hist(), flights()[0][["hour", "hour"]], "two columns of one name", id="a column twice"),
        pytest.param(HistGradientBoostingClassifier(), flights()[0], "is not fitted", id="unfitted"),
        pytest.param(Mine(), flights()[0], "no model", id="no estimator"),
        pytest.param(one_hot(RidgeClassifier()), flights()[0], "no probabilities", id="no probabilities"),
        pytest.param(
            make_pipeline(FunctionTransformer(lambda x: x), LinearRegression()).fit(
                flights()[0][["hour"]], flights()[1]
            ),
            flights()[0][["hour"]],
            "no safe native form|cannot be stored safely",
            id="a lambda",
        ),
    ],
)
def test_what_cannot_be_packaged_is_told(model, sample, told):
    with pytest.raises(ConversionError, match=told):
        package_model(model, sample)


def test_classes_that_are_halves_are_refused_not_rounded():
    x, y = flights()
    model = HistGradientBoostingClassifier(max_iter=2).fit(x[["hour"]], (y + 0.5).astype(str))
    assert package_model(model, x[["hour"]]).signature.classes == ("0.5", "1.5")
    model.classes_ = np.array([0.5, 1.5])
    with pytest.raises(ConversionError, match="neither text nor a whole number"):
        package_model(model, x[["hour"]])


def test_infinity_in_the_sample_names_the_field():
    x, _ = flights()
    x.loc[3, "distance"] = math.inf
    with pytest.raises(SchemaMismatchError, match="'distance' takes float, but row 3 has inf"):
        package_model(hist(), x)


def test_the_examples_are_kept_and_checked(tmp_path):
    x, _ = flights()
    package = package_model(hist(), x, example_count=3)
    assert package.examples.inputs["carrier"] == list(x["carrier"][:3])
    assert package.examples.inputs["hour"] == list(x["hour"][:3])
    np.testing.assert_allclose(package.examples.outputs["probability"], hist().predict_proba(x[:3])[:, 1])
    forged = dict(package.examples.outputs)
    forged["probability"] = [forged["probability"][0] + 1e-3, *forged["probability"][1:]]
    other = Package(
        package.manifest,
        type(package.examples)(inputs=package.examples.inputs, outputs=forged),
        package.parity,
        package.files,
        package.bill,
    )
    with pytest.raises(ConversionError, match="answers differ by 0.001"):
        other.check_examples()


def test_a_package_survives_its_file(tmp_path):
    package = package_model(hist(), flights()[0])
    with open(tmp_path / "p", "wb") as stream:
        package.write(stream)
    again = Package.read(tmp_path / "p")
    assert (again.manifest, again.examples, again.parity, again.files) == (
        package.manifest,
        package.examples,
        package.parity,
        package.files,
    )
    assert again.digest == package.digest
    again.check_examples()


@pytest.mark.parametrize("count", [0, 1, 1000])
def test_any_number_of_examples_may_be_asked_for(count):
    x, _ = flights()
    if count:
        assert len(package_model(hist(), x, example_count=count).examples.inputs["hour"]) == min(count, len(x))
    else:
        with pytest.raises(ParameterError, match="example_count 0"):
            package_model(hist(), x, example_count=0)


SERVE = """
import sys
from pathlib import Path
from tidewheel.model_package import Package
package = Package.read(Path(sys.argv[1]))
model = package.open()
package.check_examples(model)
heavy = {"sklearn", "pandas", "mlflow", "lightgbm", "onnx", "skops", "scipy", "pyarrow"}
print(sorted(heavy & {name.partition(".")[0] for name in sys.modules}))
"""


def test_answering_needs_no_training_library(tmp_path):
    with open(tmp_path / "p", "wb") as stream:
        package_model(hist(), flights()[0]).write(stream)
    done = subprocess.run(
        [sys.executable, "-c", SERVE, str(tmp_path / "p")],
        capture_output=True,
        text=True,
        timeout=200,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
