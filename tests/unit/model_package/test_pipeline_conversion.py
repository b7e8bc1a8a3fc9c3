"""Pipelines become one graph that answers as they do: prepared inside, beside every boundary, with what is missing."""

from __future__ import annotations

import math

import lightgbm
import numpy as np
import onnx
import pandas as pd
import pytest
import xgboost
from onnx import numpy_helper
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.feature_selection import SelectKBest
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, PoissonRegressor, Ridge, SGDClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    RobustScaler,
    StandardScaler,
    TargetEncoder,
)
from sklearn.tree import DecisionTreeClassifier

from tidewheel.core.errors import ConversionError, SchemaMismatchError
from tidewheel.model_package import Package, package_model
from tidewheel.model_package.conversion import Conversion
from tidewheel.model_package.jump_rows import jump_rows
from tidewheel.model_package.original_model import OriginalModel
from tidewheel.model_package.packaging import CONVERTERS
from tidewheel.model_package.pipeline_conversion import PipelineConverter
from tidewheel.model_package.signature import Field, OutputField, Signature, columns_of

ROWS = 300
SOURCE = np.random.default_rng(7)
X = pd.DataFrame(
    {
        "distance": SOURCE.normal(size=ROWS) * 700 + 900,
        "delay": np.where(SOURCE.random(ROWS) < 0.1, np.nan, SOURCE.normal(size=ROWS)),
        "hour": SOURCE.integers(0, 24, ROWS),
        "carrier": pd.Series(SOURCE.choice(["UA", "DL", "B6", "AA"], ROWS, p=[0.5, 0.3, 0.18, 0.02])),
        "airport": pd.Series(SOURCE.choice(["JFK", "LGA", None], ROWS)).astype("str").where(SOURCE.random(ROWS) < 0.9),
    }
)
Y = ((X["distance"] > 800) ^ (X["carrier"] == "UA")).to_numpy().astype(int)
NUMBERS = ["distance", "hour"]


def both(encoder: object) -> object:
    """The usual preparation: imputed and scaled numbers beside encoded texts."""
    numbers = make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler())
    texts = make_pipeline(SimpleImputer(strategy="most_frequent"), encoder)
    return make_column_transformer((numbers, ["delay", "distance", "hour"]), (texts, ["carrier", "airport"]))


ONE_HOT = OneHotEncoder(handle_unknown="ignore")
RARE = OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=20)
ORDINAL = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
NAN_ORDINAL = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan)
QUIET = {"n_estimators": 6, "n_jobs": 1, "random_state": 1}

MODELS = {
    "logistic": make_pipeline(both(ONE_HOT), LogisticRegression()),
    "three classes": make_pipeline(both(ONE_HOT), LogisticRegression()),
    "one against rest": make_pipeline(both(ONE_HOT), SGDClassifier(loss="log_loss", random_state=1)),
    "ridge": make_pipeline(both(ORDINAL), Ridge()),
    "poisson": make_pipeline(both(ONE_HOT), PoissonRegressor()),
    "target encoded": make_pipeline(both(TargetEncoder()), LogisticRegression()),
    "rare": make_pipeline(both(RARE), LogisticRegression()),
    "dropped": make_pipeline(both(OneHotEncoder(handle_unknown="ignore", drop="first")), LogisticRegression()),
    "missing is a category": make_pipeline(
        make_column_transformer((ONE_HOT, ["carrier", "airport"]), (MissingIndicator(), ["delay"])),
        LogisticRegression(),
    ),
    "forest": make_pipeline(both(ONE_HOT), RandomForestClassifier(**QUIET)),
    "forest of three": make_pipeline(both(ONE_HOT), RandomForestClassifier(**QUIET)),
    "extra trees": make_pipeline(both(ORDINAL), ExtraTreesRegressor(**QUIET)),
    "boosting": make_pipeline(both(ONE_HOT), GradientBoostingClassifier(n_estimators=6)),
    "boosting of three": make_pipeline(both(ONE_HOT), GradientBoostingClassifier(n_estimators=4)),
    "boosting regression": make_pipeline(both(ONE_HOT), GradientBoostingRegressor(n_estimators=6, loss="huber")),
    "categories by number": make_pipeline(
        make_column_transformer((NAN_ORDINAL, ["carrier", "airport"]), remainder="passthrough"),
        HistGradientBoostingClassifier(max_iter=5, categorical_features=[0, 1]),
    ),
    "lightgbm": make_pipeline(both(ORDINAL), lightgbm.LGBMClassifier(verbose=-1, **QUIET)),
    "xgboost": make_pipeline(both(ONE_HOT), xgboost.XGBClassifier(**QUIET)),
    "tree on raw numbers": make_pipeline(
        make_column_transformer(("passthrough", ["delay", "hour"]), (ORDINAL, ["carrier"])), DecisionTreeClassifier()
    ),
    "bins": make_pipeline(
        make_column_transformer(
            (KBinsDiscretizer(4, quantile_method="averaged_inverted_cdf"), ["distance"]),
            (KBinsDiscretizer(3, encode="ordinal", quantile_method="averaged_inverted_cdf"), ["hour"]),
        ),
        LogisticRegression(),
    ),
    "products": make_pipeline(
        make_column_transformer((RobustScaler(), NUMBERS)),
        PolynomialFeatures(3, include_bias=False),
        SelectKBest(k=5),
        Ridge(),
    ),
    "union": make_pipeline(
        make_column_transformer((MinMaxScaler(clip=True), NUMBERS)),
        make_union(PCA(2, whiten=True), Normalizer(), Binarizer(threshold=0.4), MaxAbsScaler()),
        LinearRegression(),
    ),
    "functions": make_pipeline(
        make_column_transformer(
            (FunctionTransformer(np.log1p), ["hour"]), (FunctionTransformer(np.square), ["distance"])
        ),
        StandardScaler(),
        Ridge(),
    ),
    "numbers as categories": make_pipeline(make_column_transformer((ONE_HOT, ["hour"])), LogisticRegression()),
}


def fitted(name: str) -> object:
    three = np.where(X["hour"] > 15, "late", np.where(Y == 1, "early", "punctual"))
    target = three if "three" in name or name == "one against rest" else Y
    return MODELS[name].fit(X, target)


@pytest.mark.parametrize("name", MODELS)
def test_a_pipeline_answers_the_same_from_one_graph(name):
    model = fitted(name)
    package = package_model(model, X[:200], held_out=X[200:])
    assert (package.manifest.reason, package.manifest.converter) == ("", "pipeline")
    answers = package.open().predict(columns_of(X))
    tolerance = 1e-6 if name == "xgboost" else 1e-11
    if hasattr(model, "predict_proba"):
        said = model.predict_proba(X)
        np.testing.assert_allclose(answers["probability"], said[:, 1] if said.shape[1] == 2 else said, atol=tolerance)
        np.testing.assert_array_equal(answers["label"], model.predict(X))
    else:
        np.testing.assert_allclose(answers["prediction"], model.predict(X), atol=tolerance, rtol=tolerance)
    assert package.parity.held_out_rows == 100
    assert package.parity.boundary_rows >= 256
    assert package.parity.maximum_difference < tolerance


def test_unknown_and_missing_texts_are_answered_as_by_the_pipeline():
    model = fitted("logistic")
    rows = X[:5].assign(carrier=["ZZ", None, "UA", "ua", None], airport=[None, "XXX", None, "JFK", "LGA"])
    said = package_model(model, X).open().predict(columns_of(rows))["probability"]
    np.testing.assert_allclose(said, model.predict_proba(rows)[:, 1], atol=1e-12)


def test_what_a_category_column_does_not_know_is_missing():
    x = X.assign(carrier=X["carrier"].astype("category"))
    texts = make_pipeline(SimpleImputer(strategy="most_frequent"), ONE_HOT)
    model = make_pipeline(make_column_transformer((texts, ["carrier"])), LogisticRegression()).fit(x, Y)
    package = package_model(model, x[["carrier"]].assign(**{n: x[n] for n in x if n != "carrier"})[list(x)])
    rows = columns_of(X[:3].assign(carrier=["ZZ", None, "UA"]))
    said = package.open().predict(rows)["probability"]
    assert package.runtime == "onnx"
    assert said[0] == said[1] == said[2]  # UA is the most frequent one


@pytest.mark.parametrize(
    "model",
    [
        LogisticRegression(),
        Ridge(),
        RandomForestClassifier(**QUIET),
        DecisionTreeClassifier(max_depth=4),
        ExtraTreesRegressor(**QUIET),
        GradientBoostingClassifier(n_estimators=5, loss="exponential"),
        xgboost.XGBClassifier(**QUIET),
        xgboost.XGBRegressor(objective="count:poisson", **QUIET),
    ],
    ids=lambda model: type(model).__name__,
)
def test_models_without_preparation_answer_the_same(model):
    x = X[NUMBERS] / 7
    model.fit(x, Y)
    package = package_model(model, x)
    assert package.manifest.reason == ""
    answers = package.open().predict(columns_of(x))
    said = model.predict_proba(x)[:, 1] if hasattr(model, "predict_proba") else model.predict(x)
    np.testing.assert_allclose(answers.get("probability", answers.get("prediction")), said, atol=1e-6)


def test_xgboost_answers_what_is_missing_and_stops_at_its_best_iteration():
    x = X[["distance", "delay"]]
    model = xgboost.XGBClassifier(n_estimators=40, early_stopping_rounds=3, n_jobs=1)
    model.fit(x[:150], Y[:150], eval_set=[(x[150:], 1 - Y[150:])], verbose=False)
    package = package_model(model, x)
    assert package.manifest.reason == ""
    assert package.parity.tolerance < 1e-4
    gone = {"distance": [None, 3.0], "delay": [1.0, None]}
    said = model.predict_proba(pd.DataFrame(gone).astype(float))[:, 1]
    np.testing.assert_allclose(package.open().predict(gone)["probability"], said, atol=1e-6)


def test_numbers_are_rounded_to_float32_exactly_where_the_model_rounds_them():
    """Halfway between two float32 a forest changes its mind, not at the threshold; beside it a double still counts."""
    x = pd.DataFrame({"a": np.r_[np.zeros(50), np.full(50, 1e-6)] + 1.0})
    model = DecisionTreeClassifier().fit(x, np.arange(100) // 50)
    package = package_model(model, x)
    near = np.float32(model.tree_.threshold[0])
    halves = [(float(near) + float(np.nextafter(near, np.float32(end)))) / 2 for end in (-9, 9)]
    rows = [value for half in halves for value in (math.nextafter(half, -9), half, math.nextafter(half, 9))]
    answers = package.open().predict({"a": rows})["label"]
    assert list(answers) == list(model.predict(pd.DataFrame({"a": rows})))
    assert len(set(answers)) == 2


class Changed:
    """A converter whose file is changed afterwards, silently."""

    name = "changed"

    def __init__(self, change) -> None:
        self._change = change

    def convert(self, original: OriginalModel) -> Conversion | None:
        conversion = PipelineConverter().convert(original)
        assert conversion is not None
        model = onnx.load_from_string(conversion.data)
        assert self._change(model.graph), "the planted fault found no place"
        return Conversion(model.SerializeToString(), conversion.signature, conversion.values)


def constants(graph, change) -> bool:
    """Changes the first constant that `change` accepts."""
    for place, constant in enumerate(graph.initializer):
        found = change(numpy_helper.to_array(constant))
        if found is not None:
            graph.initializer[place].CopyFrom(numpy_helper.from_array(found, constant.name))
            return True
    return False


def operators(graph, old: str, new: str) -> bool:
    found = [node for node in graph.node if node.op_type == old]
    for node in found[:1]:
        node.op_type = new
    return bool(found)


def divided(graph) -> bool:
    """The scaler multiplies by the inverse, as a converter would to be quick."""
    place = next((place for place, node in enumerate(graph.node) if node.op_type == "Div"), None)
    if place is None:
        return False
    by = graph.node[place].input[1]
    for constant in graph.initializer:
        if constant.name == by:
            constant.CopyFrom(numpy_helper.from_array(1 / numpy_helper.to_array(constant), by))
    graph.node[place].op_type = "Mul"
    return True


def exchanged(graph) -> bool:
    node = next(node for node in graph.node if node.op_type == "LabelEncoder")
    values = next(one for one in node.attribute if one.name == "values_int64s")
    values.ints[1], values.ints[2] = values.ints[2], values.ints[1]
    return True


def unknown(graph) -> bool:
    node = next(node for node in graph.node if node.op_type == "LabelEncoder")
    default = next(one for one in node.attribute if one.name == "default_int64")
    default.i = 0
    return True


def missing(graph) -> bool:
    node = next(node for node in graph.node if node.op_type == "LabelEncoder")
    values = next(one for one in node.attribute if one.name == "values_int64s")
    values.ints[0] = (values.ints[0] + 1) % 2
    return True


def not_rounded(graph) -> bool:
    """A forest that forgets to round to float32."""
    casts = [node for node in graph.node if node.op_type == "Cast" and node.attribute[0].i == onnx.TensorProto.FLOAT]
    for node in casts:
        node.attribute[0].i = onnx.TensorProto.DOUBLE
    return bool(casts)


def mean(array: np.ndarray) -> np.ndarray | None:
    """The scaler's mean in float32."""
    single = array.astype(np.float32).astype(array.dtype)
    return single if array.dtype == np.float64 and array.shape[1:] == (4,) and (single != array).any() else None


FAULTS = {
    "a mean in float32": ("forest", lambda graph: constants(graph, mean)),
    "exchanged categories": ("logistic", exchanged),
    "an unknown category that is taken for a known one": ("logistic", unknown),
    "a missing text that is taken for another": ("logistic", missing),
    "no rounding to float32": ("extra trees", not_rounded),
    "a link that was left out": ("logistic", lambda graph: operators(graph, "Sigmoid", "Identity")),
    "an inverse in place of a division": ("steep", divided),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_seen_and_the_native_form_answers(fault):
    name, change = FAULTS[fault]
    if name == "steep":
        # A scaler, and a tree that parts neighbours: the last bit of the division decides.
        x = pd.DataFrame({"a": np.arange(200.0) / 7})
        model = make_pipeline(MaxAbsScaler(), HistGradientBoostingClassifier(max_iter=10, min_samples_leaf=1))
        model.fit(x, np.arange(200) % 2)
    else:
        x, model = X, fitted(name)
    package = package_model(model, x, converters=[Changed(change)])
    assert package.runtime == "sklearn"
    assert "differs by" in package.manifest.reason
    assert "model.onnx" not in package.files
    assert package_model(model, x).runtime == "onnx"


def test_the_long_tail_is_converted_by_skl2onnx_where_that_is_right():
    model = make_pipeline(StandardScaler(), GaussianNB()).fit(X[NUMBERS], Y)
    package = package_model(model, X[NUMBERS], tolerance=1e-5)
    assert (package.runtime, package.manifest.converter) == ("onnx", "skl2onnx")
    said = package.open().predict(columns_of(X[NUMBERS]))["probability"]
    np.testing.assert_allclose(said, model.predict_proba(X[NUMBERS])[:, 1], atol=1e-5)


def test_the_long_tail_is_kept_native_where_skl2onnx_is_wrong():
    package = package_model(KNeighborsClassifier(3).fit(X[NUMBERS], Y), X[NUMBERS])
    assert package.runtime == "sklearn"
    assert "skl2onnx: the ONNX form differs by" in package.manifest.reason


def test_a_step_without_a_form_is_named():
    odd = make_pipeline(make_column_transformer((FunctionTransformer(np.sinh), ["delay"])), SimpleImputer(), Ridge())
    assert "pipeline: the function 'sinh' has no exact form" in package_model(odd.fit(X, Y), X).manifest.reason


def test_an_encoder_that_refuses_is_refused_by_the_graph_too():
    model = make_pipeline(make_column_transformer((OneHotEncoder(), ["carrier", "hour"])), LogisticRegression())
    session = package_model(model.fit(X, Y), X).open()
    row = columns_of(X[:1])
    assert session.predict(row)
    for change in ({"carrier": ["ZZ"]}, {"hour": [99]}):
        with pytest.raises(SchemaMismatchError, match="unknown"):
            session.predict(row | change)


def test_held_out_rows_may_have_more_columns_in_any_order():
    wider = X.assign(label=1, day="Monday")[["day", *reversed(X.columns), "label"]]
    assert package_model(fitted("logistic"), X[:200], held_out=wider[200:]).parity.held_out_rows == len(X) - 200


def test_held_out_rows_without_the_columns_are_told():
    with pytest.raises(ConversionError, match="lacks 'hour'"):
        package_model(fitted("logistic"), X, held_out=X.drop(columns="hour"))


def test_jumps_are_found_between_neighbouring_doubles():
    limit = 0.123456789012345
    signature = Signature(
        inputs=(Field(name="a", kind="float"), Field(name="b", kind="integer"), Field(name="c", kind="string")),
        outputs=(OutputField(name="prediction", kind="float"),),
        task="regression",
    )
    sample = pd.DataFrame({"a": np.linspace(-3, 3, 50), "b": np.arange(50), "c": ["x"] * 50})
    answers = lambda frame: ((frame["a"] > limit) * 1.0 + (frame["b"] > 17) * 3.0).to_numpy().reshape(-1, 1)  # noqa: E731
    found = jump_rows(answers, signature, sample)
    assert {limit, math.nextafter(limit, 9)} <= set(found["a"])
    assert {17, 18} <= set(found["b"])
    assert set(found["c"]) == {"x"}


def test_the_default_converters_are_told_in_their_order():
    assert [one.name for one in CONVERTERS] == ["forest", "pipeline", "skl2onnx"]
    assert isinstance(package_model(fitted("ridge"), X), Package)
