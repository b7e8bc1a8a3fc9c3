"""Our metrics are scikit-learn's, on any rows; and what cannot be computed is NaN or an error, never a number."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn import metrics

from tidewheel.core.errors import ParameterError
from tidewheel.statistics import average_precision, brier_score, calibration_error, log_loss, roc_auc

scores = st.one_of(st.sampled_from([0.0, 0.25, 0.5, 1.0]), st.floats(0, 1))  # ties are as frequent as they are hard
rows = st.lists(st.tuples(st.integers(0, 1), scores, st.integers(0, 5)), min_size=1, max_size=60)
both = rows.filter(lambda found: len({label for label, _, _ in found}) == 2)


@given(both)
def test_roc_auc_is_that_of_scikit_learn(found):
    labels, said, _ = zip(*found, strict=True)
    assert roc_auc(labels, said) == pytest.approx(metrics.roc_auc_score(labels, said), abs=1e-12)


@given(both)
def test_weights_count_rows_several_times(found):
    labels, said, weights = map(np.array, zip(*found, strict=True))
    repeated = np.repeat(labels, weights), np.repeat(said, weights)
    assume(len(set(repeated[0])) == 2)
    assert roc_auc(labels, said, weights) == pytest.approx(roc_auc(*repeated), abs=1e-12)
    assert roc_auc(labels, said, weights) == pytest.approx(
        metrics.roc_auc_score(labels, said, sample_weight=weights), abs=1e-9
    )


@given(rows.filter(lambda found: any(label for label, _, _ in found)))
def test_average_precision_is_that_of_scikit_learn(found):
    labels, said, _ = zip(*found, strict=True)
    assert average_precision(labels, said) == pytest.approx(metrics.average_precision_score(labels, said), abs=1e-12)


@given(rows)
def test_log_loss_and_brier_score_are_those_of_scikit_learn(found):
    labels, said, _ = map(np.array, zip(*found, strict=True))
    clipped = np.clip(said, 1e-15, 1 - 1e-15)
    assert log_loss(labels, said) == pytest.approx(metrics.log_loss(labels, clipped, labels=[0, 1]), abs=1e-9)
    assert brier_score(labels, said) == pytest.approx(np.mean((said - labels) ** 2), abs=1e-12)
    if len(set(labels)) == 2:
        assert brier_score(labels, said) == pytest.approx(metrics.brier_score_loss(labels, said), abs=1e-12)


@given(rows, st.randoms(use_true_random=False), st.integers(1, 12))
def test_no_metric_depends_on_the_order_of_rows(found, shuffler, bins):
    other = list(found)
    shuffler.shuffle(other)
    (labels, said, _), (labels2, said2, _) = (zip(*one, strict=True) for one in (found, other))
    for metric in (roc_auc, average_precision, log_loss, brier_score):
        assert metric(labels, said) == pytest.approx(metric(labels2, said2), abs=1e-12, nan_ok=True)
    one, two = calibration_error(labels, said, bins=bins), calibration_error(labels2, said2, bins=bins)
    assert one == pytest.approx(two, abs=1e-12)


@given(rows, st.integers(1, 12))
def test_calibration_error_is_bounded(found, bins):
    labels, said, _ = map(np.array, zip(*found, strict=True))
    error = calibration_error(labels, said, bins=bins)
    assert abs(said.mean() - labels.mean()) - 1e-12 <= error <= 1


def test_calibration_error_sees_what_is_planted():
    source = np.random.default_rng(1)
    said = source.random(40_000)
    labels = (source.random(40_000) < said).astype(int)
    assert calibration_error(labels, said) < 0.02
    assert calibration_error(labels, np.clip(said + 0.1, 0, 1)) == pytest.approx(0.095, abs=0.01)
    assert calibration_error([0] * 50 + [1] * 50, [0.5] * 100) == 0.0


def test_one_class_has_no_auc():
    assert math.isnan(roc_auc([1, 1], [0.1, 0.9]))
    assert math.isnan(roc_auc([0, 1], [0.1, 0.9], [1, 0]))
    assert math.isnan(average_precision([0, 0], [0.1, 0.9]))
    assert average_precision([1, 1], [0.1, 0.9]) == 1.0


@pytest.mark.parametrize("metric", [roc_auc, average_precision, log_loss, brier_score, calibration_error])
@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ([], []),
        ([0, 1], [0.5]),
        ([0, 2], [0.5, 0.5]),
        ([0, math.nan], [0.5, 0.5]),
        ([0, None], [0.5, 0.5]),
        ([0, 1], [0.5, math.nan]),
        ([0, 1], [0.5, math.inf]),
        ([[0, 1]], [[0.5, 0.5]]),
        (["late", "late"], [0.5, 0.5]),
        ([0, 1], ["a", "b"]),
    ],
    ids=str,
)
def test_what_is_no_problem_of_two_classes_is_refused(metric, labels, said):
    with pytest.raises(ParameterError):
        metric(labels, said)


@pytest.mark.parametrize("weights", [[1], [1, -1], [1, math.nan], [[1], [1]], ["a", "b"]], ids=str)
def test_weights_that_are_none_are_refused(weights):
    with pytest.raises(ParameterError):
        roc_auc([0, 1], [0.1, 0.9], weights)


def test_no_bins_are_refused():
    with pytest.raises(ParameterError):
        calibration_error([0, 1], [0.1, 0.9], bins=0)
