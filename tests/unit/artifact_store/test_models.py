"""scikit-learn and LightGBM models: safe, exact, and the same bytes for the same model."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import lightgbm
import numpy as np
import pytest
import skops.io
import xgboost
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.svm import SVC

from tidewheel.artifact_store import LocalArtifactStore
from tidewheel.artifact_store.sklearn_codec import SklearnCodec
from tidewheel.artifact_store.zip_form import repack
from tidewheel.core.errors import CodecNotFoundError, ParameterError, UnreadableFileError

X = np.random.default_rng(3).normal(size=(120, 3))
Y = (X[:, 0] > 0).astype(int)


@pytest.fixture
def store(tmp_path: Path) -> LocalArtifactStore:
    return LocalArtifactStore(tmp_path)


class Mine(TransformerMixin, BaseEstimator):
    def fit(self, x, y=None):
        return self

    def transform(self, x):
        return x


def double(x):
    return 2 * x


@pytest.mark.parametrize(
    ("part", "name"),
    [(Mine(), "test_models.Mine"), (FunctionTransformer(double), "test_models.double")],
)
def test_code_of_the_user_in_a_model_is_refused_when_storing(store, part, name):
    model = make_pipeline(part, LogisticRegression()).fit(X, Y)
    with pytest.raises(CodecNotFoundError, match="not known to be safe") as caught:
        store.put(model)
    assert name in caught.value.what
    assert caught.value.next_step
    assert store.list_digests() == []


def test_a_lambda_is_refused(store):
    with pytest.raises((CodecNotFoundError, ParameterError)):
        store.put(make_pipeline(FunctionTransformer(lambda x: x), LogisticRegression()).fit(X, Y))


@pytest.mark.parametrize("name", ["os.system", "builtins.eval", "sklearn.datasets._base.load_files", "numpy.memmap"])
def test_a_forged_archive_builds_nothing(tmp_path, name):
    module, _, function = name.rpartition(".")
    text = {"__class__": "str", "__module__": "builtins", "__loader__": "JsonNode", "content": f'"touch {tmp_path}/x"'}
    arguments = {"__class__": "tuple", "__module__": "builtins", "__loader__": "TupleNode", "content": [text]}
    schema = {
        "__class__": function,
        "__module__": module,
        "__loader__": "ConstructorFromReduceNode",
        "content": arguments,
        "protocol": 2,
    }
    (tmp_path / "forged").write_bytes(repack({"schema.json": json.dumps(schema).encode()}))
    with pytest.raises(CodecNotFoundError, match="not known to be safe"):
        SklearnCodec().decode(tmp_path / "forged")
    assert not (tmp_path / "x").exists()


def test_an_archive_without_schema_is_told(tmp_path):
    (tmp_path / "odd").write_bytes(repack({"other": b""}))
    with pytest.raises(UnreadableFileError):
        SklearnCodec().decode(tmp_path / "odd")


@pytest.mark.parametrize(
    "model",
    [
        SVC(),
        SGDClassifier(random_state=1),
        GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=2),
        GaussianProcessRegressor(RBF(), optimizer=None),
        make_pipeline(FunctionTransformer(np.abs), LogisticRegression()),
    ],
    ids=lambda model: type(model).__name__,
)
def test_other_estimators_survive_too(store, model):
    model.fit(X, Y)
    if isinstance(model, GridSearchCV):
        # How long each fit took is a part of the results; the rest must not depend on the time of day.
        model.cv_results_ = {key: value for key, value in model.cv_results_.items() if not key.endswith("_time")}
        model.refit_time_ = 0.0
    artifact = store.put(model)
    loaded = store.load(artifact)
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    assert store.put(loaded).digest == artifact.digest


def test_an_unfitted_estimator_survives(store):
    loaded = store.load(store.put(HistGradientBoostingClassifier(max_iter=7)))
    assert loaded.get_params()["max_iter"] == 7
    np.testing.assert_array_equal(loaded.fit(X, Y).predict(X), loaded.predict(X))


def test_a_shared_random_state_stays_shared(store):
    state = np.random.RandomState(5)
    model = make_pipeline(
        RandomForestClassifier(2, random_state=state), RandomForestClassifier(2, random_state=state), memory=None
    )
    loaded = store.load(store.put(model))
    first, second = (step.random_state for _, step in loaded.steps)
    assert first is second


def test_a_different_model_has_a_different_digest(store):
    one = LogisticRegression(C=1.0).fit(X, Y)
    other = LogisticRegression(C=1.0).fit(X, 1 - Y)
    assert store.put(one).digest != store.put(other).digest


def test_an_archive_depends_on_its_entries_only():
    assert repack({"a": b"1"}) == repack({"a": b"1"})
    with zipfile.ZipFile(io.BytesIO(repack({"b": b"2", "a": b"1"}))) as archive:
        assert archive.namelist() == ["b", "a"]
        assert archive.read("a") == b"1"


def test_skops_itself_reads_what_is_stored(store):
    model = LogisticRegression().fit(X, Y)
    loaded = skops.io.load(store.path_of(store.put(model)))
    np.testing.assert_array_equal(loaded.coef_, model.coef_)


def test_boosters_do_not_tell_their_thread_count(store):
    def train(threads: int) -> lightgbm.Booster:
        parameters = {"objective": "binary", "num_threads": threads, "verbose": -1, "deterministic": True}
        return lightgbm.train(parameters | {"force_row_wise": True}, lightgbm.Dataset(X, Y), 3)

    assert store.put(train(1)).digest == store.put(train(2)).digest


def test_a_booster_keeps_all_trees_and_its_best_iteration(store):
    data = lightgbm.Dataset(X[:80], Y[:80])
    held = lightgbm.Dataset(X[80:], 1 - Y[80:], reference=data)
    booster = lightgbm.train(
        {"objective": "binary", "num_threads": 1, "verbose": -1},
        data,
        10,
        valid_sets=[held],
        callbacks=[lightgbm.early_stopping(3, verbose=False)],
    )
    loaded = store.load(store.put(booster))
    assert (loaded.best_iteration, loaded.num_trees()) == (booster.best_iteration, booster.num_trees())
    np.testing.assert_array_equal(loaded.predict(X), booster.predict(X))


def test_an_untrained_booster_is_refused(store):
    with pytest.raises(ParameterError, match="no tree"):
        store.put(lightgbm.Booster({"verbose": -1}, lightgbm.Dataset(X, Y)))


def test_a_model_of_xgboost_keeps_its_arguments_and_its_best_iteration(store):
    held = (X[80:], 1 - Y[80:])
    model = xgboost.XGBClassifier(n_estimators=30, early_stopping_rounds=2, n_jobs=1, learning_rate=0.1)
    model.fit(X[:80], Y[:80], eval_set=[held], verbose=False)
    loaded = store.load(store.put(model))
    assert repr(loaded.get_params()) == repr(model.get_params())
    assert (loaded.best_iteration, loaded.classes_.tolist()) == (model.best_iteration, [0, 1])
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
    np.testing.assert_array_equal(
        loaded.fit(X[:80], Y[:80], eval_set=[held], verbose=False).predict(X), loaded.predict(X)
    )


def own_objective(y, p):
    return p - y, np.ones_like(p)


class OwnClassifier(xgboost.XGBClassifier):
    pass


def test_code_of_the_user_in_a_model_of_xgboost_is_refused_when_storing(store):
    with pytest.raises(ParameterError, match="objective"):
        store.put(xgboost.XGBRegressor(n_estimators=2, n_jobs=1, objective=own_objective).fit(X, Y))
    with pytest.raises(CodecNotFoundError, match="OwnClassifier"):
        store.put(OwnClassifier(n_estimators=2, n_jobs=1).fit(X, Y))
    with pytest.raises(ParameterError, match="not fitted"):
        store.put(xgboost.XGBClassifier())
    assert store.list_digests() == []
