"""Which metrics there are for which problem."""

from __future__ import annotations

from functools import cache

from tidewheel.core.errors import NotFoundError
from tidewheel.statistics import class_metrics, number_metrics, ranking_metrics
from tidewheel.statistics.metric import Metric
from tidewheel.statistics.scored import Problem

MAIN: dict[Problem, str] = {
    "binary": "roc_auc",
    "multiclass": "log_loss",
    "regression": "rmse",
    "quantiles": "pinball",
    "ranking": "ndcg",
}
"""What models of a problem are compared by when nothing is said."""


@cache
def metrics_of(problem: Problem) -> dict[str, Metric]:
    """All metrics of a problem by name, the one that models are compared by first.

    Example:
        >>> list(metrics_of("regression"))
        ['rmse', 'mae', 'r2', 'bias']
    """
    found = {
        "binary": class_metrics.BINARY,
        "multiclass": class_metrics.MULTICLASS,
        "regression": number_metrics.REGRESSION,
        "quantiles": number_metrics.QUANTILES,
        "ranking": ranking_metrics.RANKING,
    }[problem]
    return {metric.name: metric for metric in found}


def metric_of(problem: Problem, name: str = "") -> Metric:
    """One metric; by default the one that models of this problem are compared by.

    Raises:
        NotFoundError: the problem has no metric of that name.
    """
    known = metrics_of(problem)
    found = known.get(name or MAIN[problem])
    if found is None:
        raise NotFoundError(f"metric of a {problem} problem", name, known=sorted(known))
    return found
