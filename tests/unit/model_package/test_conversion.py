"""Models of both boosting libraries become ONNX that answers exactly as they do, in the cases where others go wrong."""

from __future__ import annotations

import math

import lightgbm
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from tidewheel.model_package import Package, package_model
from tidewheel.model_package.forest import Forest, Leaf, Split
from tidewheel.model_package.onnx_forest import write_onnx
from tidewheel.model_package.onnxruntime_model import OnnxModel
from tidewheel.model_package.signature import Field, OutputField, Signature, columns_of

ROWS = 400
QUIET = {"n_jobs": 1, "verbose": -1, "n_estimators": 8, "random_state": 1}


def flights(seed: int = 3) -> tuple[pd.DataFrame, np.ndarray]:
    """Features with every trap: missing numbers, integers, categories rare, unused, ordered, and one without effect."""
    source = np.random.default_rng(seed)
    x = pd.DataFrame(
        {
            "distance": np.where(source.random(ROWS) < 0.1, np.nan, source.normal(size=ROWS) / 3),
            "hour": source.integers(0, 24, ROWS),
            "carrier": pd.Categorical(source.choice(["UA", "DL", "B6", None], ROWS), ["AA", "B6", "DL", "UA"]),
            "size": pd.Categorical(source.choice(["small", "large"], ROWS), ["small", "large"], ordered=True),
            "airport": pd.Categorical(["JFK"] * ROWS, ["JFK", "LGA"]),
        }
    )
    late = (x["distance"].fillna(0.4) + (x["carrier"] == "UA") + (x["size"] == "large") / 2) > 0.5
    return x, late.to_numpy().astype(int)


def three(y: np.ndarray, x: pd.DataFrame) -> np.ndarray:
    return np.where(y == 1, "late", np.where(x["hour"] > 12, "early", "punctual"))


def hist(kind: type = HistGradientBoostingClassifier, **options: object) -> object:
    x, y = flights()
    return kind(max_iter=8, categorical_features="from_dtype", random_state=1, **options).fit(x, y)


def assert_exact(model: object, sample: pd.DataFrame, package: Package) -> None:
    assert package.manifest.reason == ""
    assert package.runtime == "onnx"
    answers = package.open().predict(columns_of(sample))
    if hasattr(model, "predict_proba"):
        said = model.predict_proba(sample)
        np.testing.assert_allclose(answers["probability"], said[:, 1] if said.shape[1] == 2 else said, atol=1e-12)
        np.testing.assert_array_equal(answers["label"], model.predict(sample))
    else:
        np.testing.assert_allclose(answers["prediction"], model.predict(sample), atol=1e-12, rtol=1e-12)
    assert package.parity.maximum_difference < 1e-10
    assert package.parity.sample_rows == len(sample)


def test_hist_gradient_boosting_with_native_categories_is_exact():
    x, _ = flights()
    package = package_model(hist(), x)
    assert_exact(hist(), x, package)
    assert package.parity.boundary_rows > 100


def test_hist_gradient_boosting_of_three_texts_is_exact():
    x, y = flights()
    model = HistGradientBoostingClassifier(max_iter=5, categorical_features="from_dtype").fit(x, three(y, x))
    package = package_model(model, x)
    assert_exact(model, x, package)
    assert package.signature.classes == ("early", "late", "punctual")
    assert Package is type(package)
    package.manifest.to_json()


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "poisson", "gamma"])
def test_hist_gradient_boosting_regression_is_exact(loss):
    x, y = flights()
    model = HistGradientBoostingRegressor(max_iter=5, loss=loss, categorical_features="from_dtype").fit(x, y + 1.5)
    assert_exact(model, x, package_model(model, x))


def test_texts_as_categories_are_exact():
    x, y = flights()
    x = x.assign(carrier=x["carrier"].astype("str").where(x["carrier"].notna()))[["distance", "carrier"]]
    model = HistGradientBoostingClassifier(max_iter=5, categorical_features=["carrier"]).fit(x, y)
    assert_exact(model, x, package_model(model, x))


def test_a_hundred_and_more_categories_are_exact():
    source = np.random.default_rng(2)
    names = [f"N{number}" for number in range(250)]
    x = pd.DataFrame({"tail": pd.Categorical(source.choice(names, 4000), names), "z": source.normal(size=4000)})
    y = (source.permutation(250)[x["tail"].cat.codes] % 2).astype(int)
    model = HistGradientBoostingClassifier(max_iter=4, categorical_features="from_dtype", min_samples_leaf=2).fit(x, y)
    assert_exact(model, x.iloc[:500], package_model(model, x.iloc[:500]))


@pytest.mark.parametrize("model", ["hist", "lightgbm"])
def test_unknown_and_missing_categories_are_answered_as_by_the_model(model):
    x, y = flights()
    fitted = hist() if model == "hist" else lightgbm.LGBMClassifier(**QUIET).fit(x, y)
    package = package_model(fitted, x)
    rows = columns_of(x.iloc[:50])
    answers = [
        package.open().predict({**rows, "carrier": [text] * 50})["probability"] for text in (None, "no such", "", "ua")
    ]
    gone = x.iloc[:50].assign(carrier=pd.Categorical([None] * 50, x["carrier"].cat.categories))
    for one in answers:
        np.testing.assert_allclose(one, fitted.predict_proba(gone)[:, 1], atol=1e-12)


def test_numbers_beside_a_threshold_are_not_rounded_to_float32():
    x = pd.DataFrame({"a": np.r_[np.zeros(50), np.full(50, 1e-9)] + 1.0})
    model = HistGradientBoostingClassifier(max_iter=3, min_samples_leaf=5).fit(x, np.arange(100) // 50)
    assert_exact(model, x, package_model(model, x))
    assert len(set(model.predict(x))) == 2


def test_float32_columns_are_exact():
    x, y = flights()
    x = x.assign(distance=x["distance"].astype("float32"), hour=x["hour"].astype("int8"))
    for model in (HistGradientBoostingClassifier(max_iter=3, categorical_features="from_dtype"),
                  lightgbm.LGBMClassifier(**QUIET)):  # fmt: skip
        model.fit(x, y)
        assert_exact(model, x, package_model(model, x))


@pytest.mark.parametrize("column", ["boolean", "Int64", "bool", "Float64"])
def test_columns_that_pandas_masks_are_exact(column):
    x, y = flights()
    late = pd.array([None if row % 7 == 0 and column != "bool" else row % 2 for row in range(ROWS)], "Float64")
    x = x[["distance"]].assign(extra=pd.Series(late).astype(column))
    model = lightgbm.LGBMClassifier(**QUIET).fit(x, y ^ (np.arange(ROWS) % 2))
    assert_exact(model, x, package_model(model, x))


def test_lightgbm_with_categories_unused_constant_and_ordered_is_exact():
    x, y = flights()
    model = lightgbm.LGBMClassifier(**QUIET).fit(x, y)
    assert_exact(model, x, package_model(model, x))


def test_lightgbm_whose_categories_no_split_used_is_exact():
    x, _ = flights()
    # Categories that say nothing: one value each, and all others only where the label has no noise left.
    x["carrier"], x["size"] = (
        x["carrier"].cat.set_categories(["UA"]).fillna("UA"),
        x["size"].cat.set_categories(["small"]),
    )
    model = lightgbm.LGBMClassifier(**QUIET).fit(x, (x["distance"].fillna(0) > 0).to_numpy().astype(int))
    used = model.booster_.trees_to_dataframe()["split_feature"].dropna().unique()
    assert not set(used) & {"carrier", "size", "airport"}
    package = package_model(model, x)
    assert_exact(model, x, package)
    assert {field.name: field.domain for field in package.signature.inputs}["airport"] == ("JFK", "LGA")


def test_lightgbm_that_parts_missing_from_known_is_exact():
    x, _ = flights()
    model = lightgbm.LGBMClassifier(**QUIET).fit(x[["distance"]], x["distance"].isna().to_numpy().astype(int))
    assert "threshold=inf" in model.booster_.model_to_string()
    package = package_model(model, x[["distance"]])
    assert_exact(model, x[["distance"]], package)
    far = pd.DataFrame({"distance": [1e300, math.nextafter(1e300, math.inf), -1.7e308, 1.7e308]})
    assert_exact(model, far, package_model(model, far))


def test_lightgbm_of_three_texts_is_exact():
    x, y = flights()
    model = lightgbm.LGBMClassifier(**QUIET).fit(x, three(y, x))
    assert_exact(model, x, package_model(model, x))


@pytest.mark.parametrize("objective", ["regression", "regression_l1", "huber", "quantile", "poisson", "fair", "mape"])
def test_lightgbm_regression_is_exact(objective):
    x, y = flights()
    model = lightgbm.LGBMRegressor(objective=objective, **QUIET).fit(x, y + np.arange(ROWS) / ROWS + 1)
    assert_exact(model, x, package_model(model, x))


@pytest.mark.parametrize("balance", [{"boost_from_average": False}, {"is_unbalance": True}, {"boosting": "dart"}])
def test_boosters_start_from_anywhere(balance):
    x, y = flights()
    data = lightgbm.Dataset(x, y, init_score=np.full(ROWS, 0.3))
    booster = lightgbm.train({"objective": "binary", "num_threads": 1, "verbose": -1, **balance}, data, 5)
    package = package_model(booster, x)
    assert package.runtime == "onnx"
    np.testing.assert_allclose(package.open().predict(columns_of(x))["probability"], booster.predict(x), atol=1e-12)


def test_only_the_best_iterations_answer():
    x, y = flights()
    data = lightgbm.Dataset(x[:300], y[:300])
    held = lightgbm.Dataset(x[300:], np.where(np.arange(100) % 3, y[300:], 1 - y[300:]), reference=data)
    stop = lightgbm.early_stopping(5, verbose=False)
    parameters = {"objective": "binary", "num_threads": 1, "verbose": -1}
    booster = lightgbm.train(
        parameters | {"learning_rate": 0.5}, data, 60, valid_sets=[held], callbacks=[stop], keep_training_booster=True
    )
    assert 0 < booster.best_iteration < booster.num_trees()
    package = package_model(booster, x)
    assert package.runtime == "onnx"
    np.testing.assert_allclose(package.open().predict(columns_of(x))["probability"], booster.predict(x), atol=1e-12)


@pytest.mark.parametrize("library", ["hist", "lightgbm"])
def test_trees_without_any_split_are_exact(library):
    x, y = flights()
    few = x[["hour", "distance"]]
    model = (
        HistGradientBoostingClassifier(max_iter=2, min_samples_leaf=1000).fit(few, y)
        if library == "hist"
        else lightgbm.LGBMClassifier(**QUIET, min_child_samples=1000).fit(few, y)
    )
    assert_exact(model, few, package_model(model, few))


@pytest.mark.parametrize("names", [["Column_0", "Column_1"], ["hour", "distance"]])
def test_a_booster_that_was_shown_no_names_takes_columns_by_place(names):
    x, y = flights()
    values = x[["hour", "distance"]].to_numpy()
    booster = lightgbm.train(
        {"objective": "binary", "num_threads": 1, "verbose": -1}, lightgbm.Dataset(values, y), num_boost_round=4
    )
    package = package_model(booster, pd.DataFrame(values, columns=names))
    assert package.runtime == "onnx"
    assert [field.name for field in package.signature.inputs] == names
    given = {name: values[:, index] for index, name in enumerate(names)}
    np.testing.assert_allclose(package.open().predict(given)["probability"], booster.predict(values), atol=1e-12)


def test_an_estimator_that_was_shown_no_names_takes_columns_by_place():
    x, y = flights()
    few = x[["hour", "distance"]]
    model = HistGradientBoostingClassifier(max_iter=4).fit(few.to_numpy(), y)
    package = package_model(model, few)
    assert package.runtime == "onnx"
    said = package.open().predict(columns_of(few))["probability"]
    np.testing.assert_allclose(said, model.predict_proba(few.to_numpy())[:, 1], atol=1e-12)


@pytest.mark.parametrize("library", ["hist", "lightgbm"])
def test_the_samples_columns_may_stand_in_another_order(library):
    x, y = flights()
    model = hist() if library == "hist" else lightgbm.LGBMClassifier(**QUIET).fit(x, y)
    assert_exact(model, x, package_model(model, x[x.columns[::-1]]))


def test_names_with_spaces_are_kept():
    x, y = flights()
    x = x.rename(columns={"hour": "hour of day"})
    model = lightgbm.LGBMClassifier(**QUIET).fit(x, y)
    package = package_model(model, x)
    assert package.runtime == "onnx"
    assert "hour of day" in [field.name for field in package.signature.inputs]


numbers = st.floats(allow_nan=False, allow_infinity=False, width=64)


@st.composite
def trees(draw, depth: int = 3):
    if not depth or draw(st.integers(0, 3)) == 0:
        return Leaf(draw(st.floats(-10, 10)))
    if draw(st.booleans()):
        feature, threshold, members = 0, draw(numbers), ()
    else:
        feature, threshold, members = 1, None, tuple(sorted(draw(st.sets(st.integers(0, 4)))))
    left, right = draw(trees(depth=depth - 1)), draw(trees(depth=depth - 1))
    return Split(feature, threshold, members, draw(st.booleans()), left, right)


def walked(node: Split | Leaf, row: tuple[float | None, int | None]) -> float:
    """What a tree says, by its definition."""
    while isinstance(node, Split):
        value = row[node.feature]
        if value is None:
            node = node.left if node.is_missing_left else node.right
        elif node.threshold is None:
            node = node.left if value in node.members else node.right
        else:
            node = node.left if value <= node.threshold else node.right
    return node.value


@settings(max_examples=80)
@given(
    st.lists(trees(), min_size=1, max_size=4),
    st.lists(st.tuples(st.none() | numbers, st.none() | st.integers(0, 4)), min_size=1, max_size=6),
)
def test_any_forest_answers_by_its_definition(grown, rows):
    texts = ("a", "b", "c", "d", "e")
    forest = Forest(("x", "c"), {"c": texts}, tuple((0, one) for one in grown), (0.5,), "regression", (), "identity")
    inputs = (Field(name="x", kind="float", allows_null=True), Field(name="c", kind="string", allows_null=True))
    signature = Signature(inputs=inputs, outputs=(OutputField(name="prediction", kind="float"),), task="regression")
    session = OnnxModel(write_onnx(forest, signature), signature)
    on_threshold = [(split.threshold, None) for split in forest.splits() if split.threshold is not None]
    rows = [*rows, *on_threshold, *((math.nextafter(one, math.inf), 0) for one, _ in on_threshold if one < 1e308)]
    answers = session.predict(
        {"x": [one for one, _ in rows], "c": [None if code is None else texts[code] for _, code in rows]}
    )
    expected = [sum(walked(one, row) for one in grown) + 0.5 for row in rows]
    np.testing.assert_allclose(answers["prediction"], expected, atol=1e-12)
