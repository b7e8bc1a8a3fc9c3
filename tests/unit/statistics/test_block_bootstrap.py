"""Intervals that keep what they promise when rows come in days, and that say so when they cannot be known."""

from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from tidewheel.core.errors import ParameterError
from tidewheel.statistics import auc_difference, auc_interval


def days(source: np.random.Generator, count: int = 40, rows: int = 12) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, scores and days; a day's weather moves the scores of all its rows, whatever their label."""
    block = np.repeat(np.arange(count), rows)
    labels = source.integers(0, 2, len(block))
    weather = source.normal(size=count)[block]
    return labels, labels + weather + source.normal(size=len(block)), block


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    # Scores of a class are normal with variance 2, so the AUC over many days is known.
    truth = norm.cdf(1 / 2.0)
    source = np.random.default_rng(11)
    found = [auc_interval(*days(source), confidence=0.9, resamples=150, seed=trial) for trial in range(150)]
    covered = np.mean([one.low <= truth <= one.high for one in found])
    assert 0.82 <= covered <= 0.97


def test_rows_drawn_alone_would_promise_too_much():
    # The mean over days differs from the mean over rows only by the width of the interval.
    source = np.random.default_rng(3)
    block = np.repeat(np.arange(20), 50)
    labels = np.repeat(source.integers(0, 2, 20), 50)  # every day is of one class
    said = labels * 0.8 + np.repeat(source.normal(size=20), 50)
    by_day = auc_interval(labels, said, block, resamples=200)
    by_row = auc_interval(labels, said, np.arange(1000), resamples=200)
    assert by_day.estimate == by_row.estimate
    assert by_day.high - by_day.low > 3 * (by_row.high - by_row.low)


def test_the_estimate_is_that_of_all_rows():
    labels, said, block = days(np.random.default_rng(2))
    found = auc_interval(labels, said, block, resamples=20)
    assert found.estimate == pytest.approx(roc_auc_score(labels, said))
    assert found.low < found.estimate < found.high
    assert found.blocks == 40


def test_the_same_seed_gives_the_same_interval():
    labels, said, block = days(np.random.default_rng(2))
    once = auc_interval(labels, said, block, resamples=50, seed=4)
    assert once == auc_interval(labels, said, block, resamples=50, seed=4)
    assert once != auc_interval(labels, said, block, resamples=50, seed=5)


def test_a_model_gains_exactly_nothing_over_itself():
    labels, said, block = days(np.random.default_rng(2))
    found = auc_difference(labels, said, said, block, resamples=50)
    assert (found.estimate, found.low, found.high) == (0.0, 0.0, 0.0)
    # ROC AUC knows only the order.
    assert auc_difference(labels, np.exp(said), said, block, resamples=50).estimate == 0.0


def test_exchanging_the_two_exchanges_the_sign():
    source = np.random.default_rng(2)
    labels, said, block = days(source)
    other = said + source.normal(size=len(said))
    gain = auc_difference(labels, said, other, block, resamples=100)
    loss = auc_difference(labels, other, said, block, resamples=100)
    assert gain.estimate == pytest.approx(-loss.estimate)
    assert (gain.low, gain.high) == pytest.approx((-loss.high, -loss.low))


def test_one_block_has_no_interval():
    found = auc_interval([0, 1, 1], [0.1, 0.2, 0.3], ["monday"] * 3)
    assert found.estimate == 1.0
    assert math.isnan(found.low)
    assert math.isnan(found.high)
    assert found.blocks == 1


def test_one_class_has_neither_estimate_nor_interval():
    found = auc_interval([1, 1, 1], [0.1, 0.2, 0.3], [1, 2, 3], resamples=10)
    assert all(math.isnan(one) for one in (found.estimate, found.low, found.high))


def test_draws_without_one_of_the_classes_are_left_out():
    # Two days, one of each class: half of the draws have one class only.
    found = auc_interval([0, 0, 1, 1], [0.1, 0.2, 0.3, 0.4], [1, 1, 2, 2], resamples=50)
    assert (found.estimate, found.low, found.high) == (1.0, 1.0, 1.0)


@pytest.mark.parametrize(
    "change",
    [
        {"blocks": [1, 2]},
        {"confidence": 0.0},
        {"confidence": 1.0},
        {"confidence": math.nan},
        {"resamples": 0},
        {"scores": [0.1, math.nan, 0.3]},
        {"labels": [0, 1]},
    ],
    ids=str,
)
def test_what_cannot_be_computed_is_refused(change):
    given = {"labels": [0, 1, 1], "scores": [0.1, 0.2, 0.3], "blocks": [1, 2, 3], **change}
    with pytest.raises(ParameterError):
        auc_interval(given.pop("labels"), given.pop("scores"), given.pop("blocks"), **given)


def test_many_draws_take_the_memory_of_one():
    source = np.random.default_rng(1)
    rows = 20_000
    labels, said, block = source.integers(0, 2, rows), source.random(rows), np.arange(rows) % 30
    tracemalloc.start()
    try:
        auc_interval(labels, said, block, resamples=60)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 20 * rows * 8  # all draws at once would be 60 arrays
