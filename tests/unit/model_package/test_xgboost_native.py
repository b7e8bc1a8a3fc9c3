"""XGBoost's own form answers where no ONNX form is exact, and one that points beyond itself never reaches XGBoost."""

from __future__ import annotations

import copy
import io
import json
import subprocess
import sys
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xgboost

from tidewheel.core.errors import ConversionError, SchemaMismatchError, UnreadableFileError
from tidewheel.model_package import Package, package_model
from tidewheel.model_package.signature import columns_of
from tidewheel.model_package.xgboost_form import checked_form
from tidewheel.model_package.xgboost_native import FILE, open_xgboost
from tidewheel.steps.gate_package import measured

OPTIONS = {"n_estimators": 6, "max_depth": 4, "n_jobs": 1, "enable_categorical": True, "max_cat_to_onehot": 2}


@cache
def flights() -> tuple[pd.DataFrame, np.ndarray]:
    source = np.random.default_rng(4)
    wind, carrier = source.normal(size=400), source.choice(["9E", "AA", "B6", "DL"], 400)
    wind[::17] = np.nan
    rows = pd.DataFrame(
        {
            "wind": wind,
            "carrier": pd.Categorical(carrier),
            "hour": source.integers(0, 24, 400),
            "port": pd.Categorical(source.choice(["LGA", "EWR"], 400)),
        }
    )
    return rows, (np.nan_to_num(wind) + (carrier == "AA") - (rows["hour"] > 18) + source.normal(0, 0.3, 400))


def fitted(kind: str) -> Any:
    rows, score = flights()
    if kind == "regression":
        return xgboost.XGBRegressor(**OPTIONS).fit(rows, score)
    if kind == "binary":
        return xgboost.XGBClassifier(**OPTIONS).fit(rows, (score > 0).astype(int))
    if kind == "early":
        model = xgboost.XGBClassifier(**{**OPTIONS, "n_estimators": 80}, early_stopping_rounds=2, learning_rate=1.0)
        labels = np.random.default_rng(1).integers(0, 2, 400)
        return model.fit(rows[:300], labels[:300], eval_set=[(rows[300:], labels[300:])], verbose=False)
    return xgboost.XGBClassifier(**OPTIONS).fit(rows, np.digitize(score, [-0.5, 0.5]))


@cache
def packaged(kind: str = "binary") -> Package:
    return package_model(fitted(kind), flights()[0])


@pytest.mark.parametrize("kind", ["regression", "binary", "multiclass", "early"])
def test_a_model_with_categories_of_its_own_answers_from_its_own_form(tmp_path, kind):
    rows, model = flights()[0], fitted(kind)
    package = packaged(kind)
    assert (package.runtime, set(package.files)) == ("xgboost", {FILE})
    assert "own categories have no exact form in ONNX" in package.manifest.reason
    assert package.manifest.libraries == {"xgboost": xgboost.__version__}
    path = tmp_path / "package"
    with path.open("wb") as stream:
        package.write(stream)
    answers = Package.read(path).open().predict(columns_of(rows))
    if kind == "regression":
        np.testing.assert_array_equal(answers["prediction"], model.predict(rows).astype(float))
    else:
        said = model.predict_proba(rows).astype(float)
        np.testing.assert_array_equal(answers["probability"], said if kind == "multiclass" else said[:, 1])
        np.testing.assert_array_equal(answers["label"], model.predict(rows))
    if kind == "early":
        assert model.best_iteration + 1 < model.get_booster().num_boosted_rounds()


def test_the_same_model_gives_the_same_bytes():
    files = [io.BytesIO(), io.BytesIO()]
    for file in files:
        package_model(fitted("binary"), flights()[0]).write(file)
    assert files[0].getvalue() == files[1].getvalue()


def test_a_conversion_that_errs_leaves_the_own_form():
    rows, score = flights()
    numbers = rows[["hour"]].astype(float)
    model = xgboost.XGBRegressor(n_estimators=3, n_jobs=1).fit(numbers, score)
    assert package_model(model, numbers).runtime == "onnx"
    assert package_model(model, numbers, converters=()).runtime == "xgboost"


def test_unknown_and_missing_categories_are_missing_and_other_misfits_are_told():
    model = packaged().open()
    row = {"wind": [0.1], "hour": [3], "port": ["LGA"]}
    unknown, missing = (model.predict({**row, "carrier": [one]})["probability"] for one in ("ZZ", None))
    assert unknown.tolist() == missing.tolist()
    with pytest.raises(SchemaMismatchError, match="hour"):
        model.predict({**row, "carrier": ["AA"], "hour": ["late"]})


def test_what_has_no_form_that_can_be_looked_through_is_not_packaged():
    rows, score = flights()
    numbers = rows[["hour"]]
    with pytest.raises(ConversionError, match="gblinear"):
        package_model(xgboost.XGBRegressor(booster="gblinear", n_jobs=1).fit(numbers, score), numbers, converters=())
    with pytest.raises(ConversionError, match=r"takes 7\.0 for missing"):
        model = xgboost.XGBRegressor(n_estimators=2, missing=7.0, n_jobs=1).fit(numbers, score)
        package_model(model, numbers, converters=())


def test_the_gate_can_ask_it_in_a_fresh_process():
    facts = measured(packaged(), sys.executable)
    assert facts["difference"] <= facts["tolerance"]
    assert facts["libraries"] == {"xgboost": [xgboost.__version__] * 2}


def document() -> dict[str, Any]:
    return copy.deepcopy(json.loads(packaged().files[FILE]))


def _tree(model: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = model["learner"]["gradient_booster"]["model"]["trees"][0]
    return found


def _set(*path: Any) -> Any:
    *names, last, value = path

    def change(model: dict[str, Any]) -> None:
        place: Any = model["learner"]
        for name in names:
            place = place[name]
        place[last] = value

    return change


def _in_tree(*path: Any) -> Any:
    return _set("gradient_booster", "model", "trees", 0, *path)


HOSTILE = {
    "a child beyond the tree": _in_tree("left_children", 0, 1 << 30),
    "a child before the tree": _in_tree("left_children", 0, -5),
    "a walk without an end": _in_tree("left_children", 1, 0),
    "a child of two": lambda model: _tree(model)["left_children"].__setitem__(1, _tree(model)["left_children"][0]),
    "one child": _in_tree("right_children", 0, -1),
    "a column beyond the row": _in_tree("split_indices", 0, 4),
    "fewer thresholds": lambda model: _tree(model)["split_conditions"].pop(),
    "another number of nodes": _in_tree("tree_param", "num_nodes", "999999999"),
    "wide leaves": _in_tree("tree_param", "size_leaf_vector", "1000"),
    "categories beyond the tree": lambda model: _tree(model)["categories_sizes"].__setitem__(0, 1 << 30),
    "a category beyond memory": lambda model: _tree(model)["categories"].__setitem__(0, (1 << 31) - 1),
    "a node of categories that is none": lambda model: _tree(model)["categories_nodes"].__setitem__(0, 1 << 20),
    "a class beyond those": _set("gradient_booster", "model", "tree_info", 0, 7),
    "more classes": _set("learner_model_param", "num_class", "900000000"),
    "more columns": _set("learner_model_param", "num_feature", "900000000"),
    "several targets": _set("learner_model_param", "num_target", "900000000"),
    "iterations beyond the trees": _set("gradient_booster", "model", "iteration_indptr", 1, 1 << 30),
    "a best iteration that is none": _set("attributes", {"best_iteration": "600"}),
    "texts beyond the categories": _set("gradient_booster", "model", "cats", "enc", 1, "offsets", 1, 1 << 30),
    "segments beyond the categories": _set("gradient_booster", "model", "cats", "feature_segments", 2, 1 << 30),
    "an order beyond the categories": _set("gradient_booster", "model", "cats", "sorted_idx", 0, 1 << 30),
    "another objective": _set("objective", "name", "rank:ndcg"),
    "another booster": _set("gradient_booster", "name", "dart"),
    "another column": _set("feature_names", ["a", "b", "c", "d"]),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_form_is_refused_before_xgboost_sees_it(monkeypatch, kind):
    model, seen = document(), []
    HOSTILE[kind](model)
    assert model != document()
    monkeypatch.setattr(xgboost, "Booster", lambda *_: seen.append(1))
    with pytest.raises(UnreadableFileError, match="no model of XGBoost"):
        open_xgboost({FILE: json.dumps(model).encode()}, packaged().signature)
    assert seen == []


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.999])
def test_a_form_that_breaks_off_is_refused(share):
    data = packaged().files[FILE]
    with pytest.raises(UnreadableFileError, match="no model of XGBoost"):
        open_xgboost({FILE: data[: int(share * len(data))]}, packaged().signature)


@pytest.mark.parametrize("content", [b"[" * 100_000, b'{"learner":' * 50_000, b"\xff\xfe", b"null", b"\x80\x04}."])
def test_bytes_that_are_no_form_are_refused(content):
    with pytest.raises(UnreadableFileError):
        open_xgboost({FILE: content}, packaged().signature)


def test_a_package_without_its_form_is_told():
    with pytest.raises(UnreadableFileError, match=r"no model\.xgboost\.json"):
        open_xgboost({}, packaged().signature)


def test_what_was_looked_through_is_written_as_it_was():
    data = packaged().files[FILE]
    assert checked_form(data, [field.name for field in packaged().signature.inputs], 2) == data


LIGHT = """
import sys, tidewheel.model_package.package, tidewheel.model_package.xgboost_native
assert not {"xgboost", "sklearn", "pandas"} & set(sys.modules)
"""


def test_xgboost_is_loaded_by_the_package_that_needs_it_alone():
    done = subprocess.run([sys.executable, "-c", LIGHT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
