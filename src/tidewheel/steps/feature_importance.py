"""Which features matter: by shuffling each, and by what the model's library says of its own contributions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tidewheel.core.records import FeatureImportance
from tidewheel.statistics.metric import Metric
from tidewheel.statistics.scored import Scored
from tidewheel.steps.estimator_fit import library_of, model_rows
from tidewheel.steps.model_answers import Answering


class _Asked:
    """A model as scikit-learn's `permutation_importance` takes it; it is never fitted."""

    def fit(self, rows: Any, labels: Any) -> _Asked:
        return self


def feature_importance(
    model: Answering,
    rows: pd.DataFrame,
    scored: Scored,
    metric: Metric,
    *,
    most_rows: int = 3000,
    repeats: int = 3,
    seed: int = 0,
) -> tuple[FeatureImportance, ...]:
    """How much worse the metric becomes when a column is shuffled (Breiman, Machine Learning 45, 2001), and the mean
    absolute SHAP value (Lundberg and Lee, 2017) where LightGBM or XGBoost computes it for its own trees.

    Args:
        rows: features, in the order of `scored`.
        most_rows: a random part of this size is shuffled; queries of a ranking stay whole.
        repeats: shuffles of each column.

    Returns:
        The most important first. Columns that say the same share what they are worth.
    """
    from sklearn.inspection import permutation_importance

    chosen = _chosen(scored, most_rows, seed)
    part, truth = rows.iloc[chosen][list(model.features)].reset_index(drop=True), scored.of(chosen)

    def score(_: Any, shuffled: pd.DataFrame, labels: Any) -> float:
        return -metric.badness(metric.value(replace(truth, said=model.said(shuffled))))

    found = permutation_importance(_Asked(), part, truth.truth, scoring=score, n_repeats=repeats, random_state=seed)
    shap = shap_values(model, part)
    told = [
        FeatureImportance(
            feature=name,
            permuted=float(found.importances_mean[at]),
            spread=float(found.importances_std[at]),
            shap=None if shap is None else float(shap[at]),
        )
        for at, name in enumerate(model.features)
    ]
    return tuple(sorted(told, key=lambda one: (-one.permuted, -(one.shap or 0.0), one.feature)))


def shap_values(model: Answering, rows: pd.DataFrame) -> NDArray[np.float64] | None:
    """Mean absolute contribution of each feature to the answers, classes added up; None where no library tells it."""
    estimator = model.model
    kind = library_of(estimator)
    frame = model_rows(estimator, rows[list(model.features)]) if kind else rows
    if kind == "lightgbm":
        contributions = np.asarray(estimator.predict(frame, pred_contrib=True))
    elif kind == "xgboost" and hasattr(estimator, "get_booster"):
        import xgboost

        matrix = xgboost.DMatrix(frame, enable_categorical=True)
        contributions = np.asarray(estimator.get_booster().predict(matrix, pred_contribs=True))
    else:
        return None
    # Each class has the features and one column for the mean, side by side or as an axis of their own.
    by_class = np.abs(contributions.reshape(len(rows), -1, len(model.features) + 1)[:, :, :-1])
    return np.asarray(by_class.sum(axis=1).mean(axis=0), dtype=np.float64)


def _chosen(scored: Scored, most: int, seed: int) -> NDArray[np.intp]:
    order = np.random.default_rng(seed)
    if len(scored) <= most:
        return np.arange(len(scored))
    if scored.groups is None:
        return np.sort(order.permutation(len(scored))[:most])
    queries = order.permutation(np.unique(scored.groups))
    sizes = np.cumsum([(scored.groups == one).sum() for one in queries])
    return np.flatnonzero(np.isin(scored.groups, queries[: max(1, int((sizes <= most).sum()))]))
