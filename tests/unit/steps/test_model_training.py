from __future__ import annotations

import math

import lightgbm
import numpy as np
import pandas as pd
import pytest
import xgboost
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor, RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import mean_pinball_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tidewheel.artifact_store import LocalArtifactStore
from tidewheel.core.errors import NotFoundError, ParameterError
from tidewheel.pipeline.surroundings import Surroundings, surrounded
from tidewheel.steps.estimator_fit import chosen_rounds, fit_estimator, model_rows
from tidewheel.steps.model_evaluation import model_evaluation
from tidewheel.steps.model_training import model_training, score_estimator
from tidewheel.workspace.codecs import codec_table

BOOSTERS = [
    lightgbm.LGBMClassifier(n_estimators=200, learning_rate=0.3),
    xgboost.XGBClassifier(n_estimators=200, subsample=0.8),
    HistGradientBoostingClassifier(max_iter=200, max_features=0.5),
]


def rows(count: int = 400, seed: int = 1) -> pd.DataFrame:
    source = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {"distance": source.normal(size=count), "carrier": source.choice(["UA", "DL", "B6"], count), "label": 0}
    )
    noise = source.normal(size=count)
    return frame.assign(label=((frame["distance"] + (frame["carrier"] == "UA") + noise) > 0.3).astype(int))


def named(model):
    return type(model).__name__


@pytest.mark.parametrize("estimator", BOOSTERS, ids=named)
def test_text_is_a_category_and_the_same_rows_give_the_same_bytes(estimator, tmp_path):
    store = LocalArtifactStore(tmp_path, codec_table())
    models = [fit_estimator(estimator, rows(), rows(200, 2), patience=5, seed=7) for _ in range(2)]
    assert store.put(models[0]).digest == store.put(models[1]).digest
    unseen = rows(50, 3).replace({"carrier": {"B6": "ZZ"}})
    assert score_estimator(models[0], unseen)["roc_auc"] > 0.6
    assert not hasattr(estimator, "classes_") or not hasattr(estimator, "n_features_in_")


@pytest.mark.parametrize("estimator", BOOSTERS, ids=named)
def test_boosting_stops_on_the_validation_rows_and_never_without(estimator):
    stopped = fit_estimator(estimator, rows(), rows(200, 2), patience=5)
    assert chosen_rounds(stopped) < 200
    assert chosen_rounds(fit_estimator(estimator, rows())) == 200
    assert chosen_rounds(fit_estimator(estimator, rows(), rounds=17)) == 17


@pytest.mark.parametrize("classes", [("early", "late"), (1, 2)], ids=str)
@pytest.mark.parametrize("estimator", [BOOSTERS[0], BOOSTERS[2]], ids=named)
def test_early_stopping_knows_the_classes_whatever_they_are_called(estimator, classes):
    train, later = (one.assign(label=np.array(classes)[one["label"]]) for one in (rows(), rows(200, 2)))
    stopped = fit_estimator(estimator, rows(), rows(200, 2), patience=5, seed=7)
    assert chosen_rounds(fit_estimator(estimator, train, later, patience=5, seed=7)) == chosen_rounds(stopped)


@pytest.mark.parametrize(("classes", "said"), [(("early", "late"), "'early', 'late'"), ((1, 2), "1, 2")], ids=str)
def test_xgboost_is_refused_classes_that_it_cannot_number_in_words(classes, said):
    train = rows().assign(label=lambda one: np.array(classes)[one["label"]])
    with pytest.raises(ParameterError, match=f"XGBClassifier takes classes that are numbered from 0.* has {said}"):
        fit_estimator(BOOSTERS[1], train)


def test_xgboost_without_trees_answers_rows():
    train = rows().drop(columns="carrier")
    model = fit_estimator(xgboost.XGBClassifier(n_estimators=5, booster="gblinear"), train)
    assert score_estimator(model, train)["roc_auc"] > 0.5


def queries(count: int = 40, seed: int = 1, first: int = 0) -> pd.DataFrame:
    """Ten rows of each query, those of a query all over the place; a row's grade is what `signal` is worth in it."""
    frame = rows(count * 10, seed).drop(columns="label")
    source = np.random.default_rng(seed)
    frame["query"] = [f"q{first + number}" for number in source.permutation(np.repeat(np.arange(count), 10))]
    worth = frame["distance"] + (frame["carrier"] == "UA") + source.normal(size=len(frame)) / 2
    rank = worth.groupby(frame["query"]).rank(method="first")
    return frame.assign(label=((rank - 1) // 3).astype(int))


RANKERS = [lightgbm.LGBMRanker(n_estimators=100, min_child_samples=5), xgboost.XGBRanker(n_estimators=100)]


@pytest.mark.parametrize("ranker", RANKERS, ids=named)
def test_a_ranker_learns_the_order_within_queries_however_their_rows_stand(ranker):
    train, later = queries(), queries(20, 2, first=40)
    fitted = fit_estimator(ranker, train, later, group="query", patience=5, seed=7)
    assert chosen_rounds(fitted) < 100
    scores = score_estimator(fitted, queries(20, 3), group="query")
    chance = score_estimator(fitted, queries(20, 3).assign(distance=0.0, carrier="UA"), group="query")
    assert scores["ndcg"] > 0.9 > chance["ndcg"]
    assert sorted(scores) == ["map", "mrr", "ndcg", "ndcg_10"]
    named_class = f"{type(ranker).__module__.partition('.')[0]}.{named(ranker)}"
    trained = model_training(train, later, estimator=named_class, group="query")
    assert {"train_ndcg", "validation_ndcg"} <= set(trained.metrics)


def test_a_quantile_is_scored_by_its_pinball_loss_and_how_many_rows_lie_below():
    train, later = (rows(300, seed).assign(label=lambda one: one["distance"]) for seed in (1, 2))
    trained = model_training(
        train,
        later,
        estimator="lightgbm.LGBMRegressor",
        arguments={"objective": "quantile", "alpha": 0.9},
        features=["carrier"],
        level=0.9,
    )
    scored = score_estimator(trained.model, later, level=0.9)
    answers = trained.model.predict(model_rows(trained.model, later))
    assert scored["pinball"] == pytest.approx(mean_pinball_loss(later["label"], answers, alpha=0.9))
    assert scored["coverage_error"] == pytest.approx(abs((later["label"] <= answers).mean() - 0.9))
    assert trained.metrics["validation_pinball"] == scored["pinball"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"level": 90.0}, "level 90 .*not between 0 and 1"),
        ({"level": 0.9, "group": "carrier"}, "beside group 'carrier'"),
        ({"level": 0.9}, "LogisticRegression is a classifier"),
    ],
)
def test_a_quantile_that_nobody_can_answer_is_refused(options, said):
    frame = rows(40, 1)
    model = fit_estimator(LogisticRegression(), frame, features=["distance"])
    with pytest.raises(ParameterError, match=said):
        score_estimator(model, frame, **options)


def test_what_a_ranker_cannot_learn_from_is_told():
    with pytest.raises(ParameterError, match='LGBMRanker learns an order within queries(.|\n)*group="query"'):
        fit_estimator(RANKERS[0], queries())
    with pytest.raises(NotFoundError, match="column 'qeury'"):
        fit_estimator(RANKERS[0], queries(), group="qeury")
    with pytest.raises(ParameterError, match="1 of 400 training rows have no 'query'"):
        fit_estimator(RANKERS[0], queries().assign(query=lambda one: one["query"].where(one.index > 0)), group="query")
    with pytest.raises(ParameterError, match="XGBRanker takes a weight for each query"):
        fit_estimator(RANKERS[1], queries().assign(weight=1.0), group="query", weight="weight")


def test_the_order_of_rows_within_their_queries_counts_not_that_of_the_queries():
    fitted = [fit_estimator(RANKERS[0], one, group="query", rounds=5, seed=7) for one in _in_two_orders(queries())]
    said = [model.predict(model_rows(model, queries(5, 2))) for model in fitted]
    np.testing.assert_allclose(said[0], said[1], rtol=1e-6)


def _in_two_orders(frame):
    return frame, frame.iloc[np.argsort(frame["query"].to_numpy(), kind="stable")]


def test_lightgbm_does_not_stop_by_rows_of_a_class_that_it_could_not_learn():
    later = rows(200, 2)
    with_new = pd.concat([later, later.assign(label=7)], ignore_index=True)
    stopped = [fit_estimator(BOOSTERS[0], rows(), one, patience=5, seed=7) for one in (later, with_new)]
    assert chosen_rounds(stopped[0]) == chosen_rounds(stopped[1])
    with pytest.raises(ParameterError, match="no class of the validation rows"):
        fit_estimator(BOOSTERS[0], rows(), later.assign(label=7))


@pytest.mark.parametrize("estimator", BOOSTERS, ids=named)
def test_names_of_columns_may_have_spaces_and_letters_of_any_language(estimator):
    train, later = (one.rename(columns={"distance": "air time", "carrier": "größe"}) for one in (rows(), rows(200, 2)))
    model = fit_estimator(estimator, train, later, patience=5)
    assert score_estimator(model, later)["roc_auc"] > 0.6
    assert model_evaluation(model, later, importance_rows=0).metrics["roc_auc"] > 0.6


@pytest.mark.parametrize(("estimator", "name"), [(BOOSTERS[0], "a:b"), (BOOSTERS[1], "a<b")])
def test_a_name_that_the_library_refuses_is_told(estimator, name):
    with pytest.raises(ParameterError, match=f"column '{name}' has '{name[1]}' in its name"):
        fit_estimator(estimator, rows().rename(columns={"distance": name}))


def test_histogram_boosting_holds_no_random_part_of_many_rows_back():
    many = rows(10_500)
    estimator = HistGradientBoostingClassifier(max_iter=60, learning_rate=0.5)
    assert chosen_rounds(fit_estimator(estimator, many)) == 60
    assert chosen_rounds(estimator.fit(many[["distance"]], many["label"])) < 60


def test_threads_and_seed_are_those_of_the_step(tmp_path):
    with surrounded(Surroundings(scratch=tmp_path, cpu=3, seed=2**32 - 1)):
        model = fit_estimator(
            make_pipeline(StandardScaler(), RandomForestClassifier(2, n_jobs=-1)), rows()[["distance", "label"]]
        )
    forest = model.named_steps["randomforestclassifier"]
    assert (forest.n_jobs, forest.random_state) == (3, 2**31 - 1)
    assert fit_estimator(RandomForestClassifier(2, random_state=5), rows()[["distance", "label"]]).random_state == 5


def test_weights_count_and_are_no_feature():
    one = rows().assign(weight=lambda frame: frame["label"].astype(float) + 1e-9)
    model = fit_estimator(lightgbm.LGBMClassifier(n_estimators=5), one, weight="weight")
    assert list(model.feature_names_in_) == ["distance", "carrier"]
    assert model.predict(model_rows(model, one)).mean() == 1.0


class Constant:
    """An estimator of another library: `fit` and `predict`, nothing else."""

    def fit(self, x, y):
        self.value = float(np.mean(y))
        return self

    def predict(self, x):
        return np.full(len(x), self.value)


def test_whatever_has_fit_and_predict_will_do():
    own = Constant()
    model = fit_estimator(own, rows())
    assert not hasattr(own, "value")
    assert score_estimator(model, rows())["r2"] == pytest.approx(0.0)


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        pytest.param(lambda one: one.drop(columns="label"), NotFoundError, "column 'label'", id="no-label"),
        pytest.param(lambda one: one.iloc[:0], ParameterError, "no training rows", id="no-rows"),
        pytest.param(lambda one: one.assign(label=[None, *one["label"][1:]]), ParameterError, "1 of 400", id="missing"),
        pytest.param(lambda one: one.assign(day=pd.Timestamp("2013-01-01")), ParameterError, "is a time", id="time"),
    ],
)
def test_rows_that_cannot_be_learned_from_are_told(change, error, said):
    with pytest.raises(error, match=said):
        fit_estimator(LogisticRegression(), change(rows()))


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("lightgbm.LGBMClassifier", {"roc_auc", "log_loss"}),
        ("xgboost.XGBClassifier", {"roc_auc", "log_loss"}),
        ("sklearn.ensemble.HistGradientBoostingRegressor", {"rmse", "mae", "r2"}),
    ],
)
def test_the_step_trains_what_is_named(name, keys):
    done = model_training(rows(), rows(200, 2), estimator=name)
    assert named(done.model) == name.rpartition(".")[2]
    assert set(done.metrics) == {f"{part}_{key}" for part in ("train", "validation") for key in keys}


@pytest.mark.parametrize(
    ("name", "arguments", "error", "said"),
    [
        ("catboost.CatBoostClassifier", {}, ParameterError, "fit_estimator"),
        ("os.system", {}, ParameterError, "none of"),
        ("sklearn.linear_model.LogisticRegresion", {}, NotFoundError, "LogisticRegression"),
        ("sklearn.linear_model.LogisticRegression", {"c": 1.0}, ParameterError, "unexpected keyword"),
        ("sklearn.no_such_module.Model", {}, NotFoundError, "no_such_module"),
    ],
)
def test_the_step_refuses_what_it_cannot_make(name, arguments, error, said):
    with pytest.raises(error, match=said):
        model_training(rows(), estimator=name, arguments=arguments)


def test_scores_are_those_of_the_rows_and_nan_where_they_say_nothing():
    data = rows()[["distance", "label"]]
    one_class = data[data["label"] == 1]
    model = fit_estimator(LogisticRegression(), data)
    assert math.isnan(score_estimator(model, one_class)["roc_auc"])
    assert score_estimator(fit_estimator(LinearRegression(), data), data)["rmse"] < 0.5
    three = data.assign(label=np.arange(len(data)) % 3)
    assert set(score_estimator(fit_estimator(LogisticRegression(), three), three)) == {"accuracy", "log_loss"}
    strange = data.assign(label=7)
    assert math.isinf(score_estimator(model, strange)["log_loss"])
    assert fit_estimator(HistGradientBoostingRegressor(), data, data, patience=0).n_iter_ == 100
