"""Metrics are scikit-learn's, and the same whether they are computed at once or by blocks."""

from __future__ import annotations

import warnings
from itertools import pairwise, permutations
from typing import get_args

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from tidewheel.core.errors import NotFoundError, ParameterError
from tidewheel.statistics.block_measure import PairMeasure
from tidewheel.statistics.blocks import Blocks, blocks_of, draw_blocks
from tidewheel.statistics.class_metrics import confusion
from tidewheel.statistics.metric_table import metric_of, metrics_of
from tidewheel.statistics.ranking_metrics import query_values
from tidewheel.statistics.scored import Problem, Scored

LEVELS = (0.1, 0.5, 0.9)


def scored(problem: str, seed: int = 0, rows: int = 400) -> Scored:
    source = np.random.default_rng(seed)
    if problem == "binary":
        truth = source.integers(0, 2, rows).astype(float)
        return Scored("binary", truth, np.round(np.clip(0.3 + 0.2 * truth + source.normal(0, 0.2, rows), 0, 1), 2))
    if problem == "multiclass":
        truth = source.integers(0, 3, rows)
        said = source.dirichlet((1, 1, 1), rows) + np.eye(3)[truth]
        return Scored("multiclass", truth.astype(float), said / said.sum(axis=1, keepdims=True), classes=(0, 1, 2))
    truth = source.normal(100, 5, rows)
    if problem == "regression":
        return Scored("regression", truth, truth + source.normal(1, 2, rows))
    if problem == "quantiles":
        return Scored("quantiles", truth, np.sort(source.normal(100, 5, (rows, 3)), axis=1), levels=LEVELS)
    groups = source.integers(0, 40, rows)
    relevance = source.integers(0, 4, rows).astype(float)
    return Scored("ranking", relevance, relevance + source.normal(0, 2, rows), groups=groups)


def by_query(function, of: Scored) -> float:
    values = []
    for query in np.unique(of.groups):
        rows = of.groups == query
        if (of.truth[rows] > 0).any():
            values.append(function(of.truth[rows], of.said[rows]))
    return float(np.mean(values))


ORACLES = {
    ("binary", "roc_auc"): lambda s: sk.roc_auc_score(s.truth, s.said),
    ("binary", "average_precision"): lambda s: sk.average_precision_score(s.truth, s.said),
    ("binary", "log_loss"): lambda s: sk.log_loss(s.truth, s.said),
    ("binary", "brier_score"): lambda s: sk.brier_score_loss(s.truth, s.said),
    ("binary", "accuracy"): lambda s: sk.accuracy_score(s.truth, s.said > 0.5),
    ("binary", "precision"): lambda s: sk.precision_score(s.truth, s.said > 0.5),
    ("binary", "recall"): lambda s: sk.recall_score(s.truth, s.said > 0.5),
    ("binary", "f1"): lambda s: sk.f1_score(s.truth, s.said > 0.5),
    ("multiclass", "log_loss"): lambda s: sk.log_loss(s.truth, s.said),
    ("multiclass", "accuracy"): lambda s: sk.accuracy_score(s.truth, s.said.argmax(1)),
    ("multiclass", "balanced_accuracy"): lambda s: sk.balanced_accuracy_score(s.truth, s.said.argmax(1)),
    ("multiclass", "macro_f1"): lambda s: sk.f1_score(s.truth, s.said.argmax(1), average="macro"),
    ("multiclass", "roc_auc"): lambda s: sk.roc_auc_score(s.truth, s.said, multi_class="ovr"),
    ("multiclass", "brier_score"): lambda s: sk.brier_score_loss(s.truth, s.said, scale_by_half=False),
    ("regression", "rmse"): lambda s: sk.root_mean_squared_error(s.truth, s.said),
    ("regression", "mae"): lambda s: sk.mean_absolute_error(s.truth, s.said),
    ("regression", "r2"): lambda s: sk.r2_score(s.truth, s.said),
    ("regression", "bias"): lambda s: float((s.said - s.truth).mean()),
    ("quantiles", "pinball"): lambda s: np.mean(
        [sk.mean_pinball_loss(s.truth, s.said[:, at], alpha=level) for at, level in enumerate(LEVELS)]
    ),
    ("ranking", "ndcg"): lambda s: by_query(lambda truth, said: sk.ndcg_score([truth], [said]), s),
    ("ranking", "ndcg_10"): lambda s: by_query(lambda truth, said: sk.ndcg_score([truth], [said], k=10), s),
    ("ranking", "map"): lambda s: by_query(lambda truth, said: sk.average_precision_score(truth > 0, said), s),
}


@pytest.mark.parametrize(("problem", "name"), ORACLES)
def test_a_metric_is_that_of_scikit_learn(problem, name):
    of = scored(problem)
    assert metric_of(problem, name).value(of) == pytest.approx(ORACLES[problem, name](of), rel=1e-12)


@pytest.mark.parametrize("problem", get_args(Problem))
def test_blocks_that_count_twice_are_rows_that_are_there_twice(problem):
    """The oracle of every form for resampling: the metric of the rows really repeated."""
    of = scored(problem)
    owner = of.groups % 7 if problem == "ranking" else np.arange(len(of)) % 7  # a query is whole in one block
    blocks = blocks_of(owner, len(of))
    weights = draw_blocks(blocks.count, 3, seed=1)
    for metric in metrics_of(problem).values():
        values = metric.measure(of, blocks)(weights)
        for value, weight in zip(values, weights.astype(int), strict=True):
            rows = np.concatenate(
                [np.tile(np.flatnonzero(blocks.member == block), count) for block, count in enumerate(weight)]
            ).astype(int)
            copies = np.concatenate(
                [np.repeat(np.arange(count), (blocks.member == block).sum()) for block, count in enumerate(weight)]
            )
            again = of.of(rows)
            if problem == "ranking":
                again = Scored("ranking", again.truth, again.said, groups=again.groups * 100 + copies.astype(int))
            # Bins of the calibration error are formed once from all rows, not from each resample again.
            tolerance = 0.05 if metric.name == "calibration_error" else 1e-9
            assert value == pytest.approx(metric.value(again), abs=tolerance), metric.name


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 6), st.integers(0, 4)), min_size=1, max_size=40),
    st.lists(st.integers(0, 3), min_size=5, max_size=5),
)
def test_roc_auc_by_blocks_counts_every_pair(rows, weight):
    truth, score, member = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    blocks = Blocks(member.astype(int), 5)
    count = np.array(weight, dtype=float)[blocks.member]
    pairs = np.outer(count * truth, count * (1 - truth))
    wins = (score[:, None] > score) + 0.5 * (score[:, None] == score)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = (pairs * wins).sum() / pairs.sum()
    found = PairMeasure(truth, score, blocks)(np.array([weight], dtype=float))[0]
    assert found == pytest.approx(expected, nan_ok=True)


def test_many_scores_in_groups_give_nearly_the_same_average_precision():
    source = np.random.default_rng(3)
    truth = source.integers(0, 2, 20_000).astype(float)
    of = Scored("binary", truth, 0.3 * truth + source.random(20_000))
    metric = metric_of("binary", "average_precision")
    one = blocks_of(np.zeros(20_000), 20_000)
    assert metric.measure(of, one)(np.ones((1, 1)))[0] == pytest.approx(metric.value(of), abs=2e-3)


@pytest.mark.parametrize("name", ["roc_auc", "average_precision"])
def test_one_class_has_no_ranking(name):
    of = Scored("binary", np.zeros(10), np.linspace(0, 1, 10))
    assert np.isnan(metric_of("binary", name).value(of))


def test_no_rows_have_no_metric():
    assert np.isnan(metric_of("regression").value(Scored("regression", np.empty(0), np.empty(0))))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_numbers_that_are_none_are_refused(bad):
    with pytest.raises(ParameterError, match="1 of the answers are missing or infinite"):
        Scored("regression", np.zeros(2), np.array([0.0, bad]))
    with pytest.raises(ParameterError, match="1 of the labels"):
        Scored("regression", np.array([0.0, bad]), np.zeros(2))


def test_quantiles_tell_how_often_they_cover_and_cross():
    of = Scored("quantiles", np.arange(10.0), np.tile([8.0, 2.0], (10, 1)), levels=(0.2, 0.9))
    assert metric_of("quantiles", "crossing").value(of) == 1.0
    assert metric_of("quantiles", "coverage_error").value(of) == pytest.approx(0.7)
    assert metric_of("quantiles", "width").value(of) == -6.0


@pytest.mark.parametrize("name", ["ndcg", "ndcg_10"])
def test_equal_scores_are_worth_the_same_in_whichever_order_they_are_given(name):
    source = np.random.default_rng(0)
    truth, said = source.integers(0, 4, 600).astype(float), source.integers(0, 3, 600).astype(float)
    groups = np.repeat(np.arange(20), 30)
    best_first = np.lexsort((-truth, groups))
    of = Scored("ranking", truth[best_first], said[best_first], groups=groups)
    depth = 10 if name == "ndcg_10" else None
    expected = by_query(lambda truth, said: sk.ndcg_score([truth], [said], k=depth), of)
    assert metric_of("ranking", name).value(of) == pytest.approx(expected, rel=1e-12)


def reciprocal_rank(relevance: list[float]) -> float:
    return next((1 / (at + 1) for at, one in enumerate(relevance) if one > 0), 0.0)


def average_precision(relevance: list[float]) -> float:
    places = [at + 1 for at, one in enumerate(relevance) if one > 0]
    return sum((nth + 1) / place for nth, place in enumerate(places)) / len(places)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 2)), min_size=1, max_size=6), st.randoms())
@pytest.mark.parametrize(("name", "plain"), [("mrr", reciprocal_rank), ("map", average_precision)])
def test_equal_scores_are_worth_the_mean_over_all_their_orders(name, plain, rows, source):
    """The oracle orders the rows in every way, and keeps those orders in which no score rises."""
    assume(any(relevant for relevant, _ in rows))
    orders = [one for one in permutations(rows) if all(a[1] >= b[1] for a, b in pairwise(one))]
    expected = np.mean([plain([relevant for relevant, _ in one]) for one in orders])
    source.shuffle(rows)
    beside = [(1, 9), (0, 8)]  # another query must not count
    truth, said = (np.array(column, dtype=float) for column in zip(*beside, *rows, strict=True))
    of = Scored("ranking", truth, said, groups=np.array([0] * len(beside) + [1] * len(rows)))
    assert query_values(name, of)[0].tolist() == pytest.approx([1.0, expected], rel=1e-12)


@pytest.mark.parametrize("name", ["ndcg", "ndcg_10", "mrr", "map"])
def test_the_order_of_rows_changes_no_ranking_metric(name):
    source = np.random.default_rng(0)
    truth, said = source.integers(0, 2, 6000).astype(float), source.integers(0, 3, 6000).astype(float)
    groups = np.repeat(np.arange(60), 100)
    orders = [np.lexsort((-truth, groups)), np.lexsort((truth, groups)), source.permutation(6000)]
    values = [metric_of("ranking", name).value(Scored("ranking", truth, said, groups=groups).of(one)) for one in orders]
    assert values == pytest.approx([values[0]] * 3, rel=1e-12)


def test_queries_without_a_relevant_row_say_nothing():
    of = Scored("ranking", np.array([0.0, 0.0, 1.0]), np.array([1.0, 2.0, 3.0]), groups=np.array([1, 1, 2]))
    assert np.isnan(query_values("ndcg", of)[0][0])
    assert metric_of("ranking").value(of) == 1.0


def test_confusion_has_true_classes_as_rows():
    of = scored("multiclass")
    np.testing.assert_array_equal(confusion(of), sk.confusion_matrix(of.truth, of.said.argmax(1)))


def test_an_unknown_metric_is_told_with_those_that_there_are():
    with pytest.raises(NotFoundError, match="rmse"):
        metric_of("regression", "rmsse")
