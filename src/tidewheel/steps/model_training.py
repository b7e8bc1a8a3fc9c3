"""Model training: from prepared rows to a fitted model and how well it does. Paper: "model training"."""

from __future__ import annotations

import importlib
import math
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from tidewheel.core.errors import NotFoundError, ParameterError
from tidewheel.core.metrics import Metrics
from tidewheel.pipeline import step
from tidewheel.steps.estimator_fit import fit_estimator, model_rows
from tidewheel.steps.query_rows import query_codes

_LIBRARIES = ("sklearn", "lightgbm", "xgboost")


class Training(NamedTuple):
    """The outputs of the step.

    Attributes:
        model: the fitted estimator.
        metrics: of the rows that it learned from, and of those after them, as `train_...` and `validation_...`.
    """

    model: Any
    metrics: Metrics


@step
def model_training(
    train: pd.DataFrame,
    validation: pd.DataFrame | None = None,
    *,
    estimator: str = "lightgbm.LGBMClassifier",
    arguments: dict[str, Any] | None = None,
    label: str = "label",
    features: list[str] | None = None,
    weight: str = "",
    group: str = "",
    level: float | None = None,
    patience: int = 50,
    seed: int = 0,
) -> Training:
    """Trains an estimator that is named, for who needs no code of their own; else call `fit_estimator` in a step.

    Args:
        train: rows to learn from.
        validation: later rows, on which boosting stops early.
        estimator: a class of scikit-learn, LightGBM or XGBoost, as it is imported. These three count for the step's
            key, so a new release of one trains anew; another library's estimator needs a step that imports it.
        arguments: for the class.
        label, features, weight, group, patience, seed: as of `fit_estimator`.
        level: of the quantile that the estimator answers, for the metrics; the class is told it by `arguments`.

    Raises:
        NotFoundError: there is no such class or column.
        ParameterError: the class refuses an argument, or the rows are not fit to be learned from.

    Example:
        >>> rows = pd.DataFrame({"rain": [0.0, 0.1, 2.0, 3.0], "label": [0, 0, 1, 1]})
        >>> done = model_training(rows, estimator="sklearn.linear_model.LogisticRegression", arguments={"C": 100.0})
        >>> done.model, round(done.metrics["train_roc_auc"], 3)
        (LogisticRegression(C=100.0, random_state=0), 1.0)
    """
    model = fit_estimator(
        _make(estimator, arguments or {}),
        train,
        validation,
        label=label,
        features=features or (),
        weight=weight,
        group=group,
        patience=patience,
        seed=seed,
    )
    metrics = Metrics()
    for name, rows in {"train": train, "validation": validation}.items():
        if rows is not None:
            scored = score_estimator(model, rows, label=label, group=group, level=level)
            metrics |= {f"{name}_{key}": one for key, one in scored.items()}
    return Training(model, metrics)


def score_estimator(
    model: Any, rows: pd.DataFrame, *, label: str = "label", group: str = "", level: float | None = None
) -> Metrics:
    """How well a fitted estimator answers rows: the few numbers by which one trains and tunes.

    Args:
        group: the column that names the query of each row, for a ranking.
        level: of the quantile that the estimator answers, between 0 and 1.

    Returns:
        `roc_auc` and `log_loss` (in nats) for two classes; `accuracy` and `log_loss` for more; `rmse`, `mae` (in units
        of the label) and `r2` for numbers; `ndcg`, `ndcg_10`, `mrr` and `map`, as means over queries, for a ranking;
        `pinball` (in units of the label) and `coverage_error` (a share of the rows) for a quantile.
        What the rows cannot say, such as a ROC AUC of one class, is NaN.

    Raises:
        ParameterError: the ranking or quantile is a classifier's, a row has no query, or there is no such level.

    Example:
        >>> from sklearn.dummy import DummyRegressor
        >>> rows = pd.DataFrame({"rain": range(10), "label": range(10)})
        >>> model = DummyRegressor(strategy="quantile", quantile=0.9).fit(rows[["rain"]], rows["label"])
        >>> {name: round(number, 3) for name, number in score_estimator(model, rows, level=0.9).items()}
        {'pinball': 0.45, 'coverage_error': 0.0}
    """
    from sklearn import metrics

    labels, inputs = rows[label].to_numpy(), model_rows(model, rows.drop(columns=[label, *filter(None, [group])]))
    if level is not None:
        return _quantile(model, inputs, labels, level, group)
    if group:
        return _ranked(model, inputs, labels, query_codes(rows, group, "rows to be judged by"))
    if not hasattr(model, "classes_"):
        answers = np.asarray(model.predict(inputs), dtype=float)
        is_constant = len(np.unique(labels)) < 2
        return Metrics(
            rmse=float(metrics.root_mean_squared_error(labels, answers)),
            mae=float(metrics.mean_absolute_error(labels, answers)),
            r2=math.nan if is_constant else float(metrics.r2_score(labels, answers)),
        )
    if not hasattr(model, "predict_proba"):
        return Metrics(accuracy=float(metrics.accuracy_score(labels, model.predict(inputs))))
    shares = np.asarray(model.predict_proba(inputs), dtype=float)
    shares /= shares.sum(axis=1, keepdims=True)  # of float32 they do not add up
    is_known = set(np.unique(labels)) <= set(model.classes_)
    loss = float(metrics.log_loss(labels, shares, labels=model.classes_)) if is_known else math.inf
    if len(model.classes_) > 2:
        best = np.asarray(model.classes_)[shares.argmax(axis=1)]
        return Metrics(accuracy=float(np.mean(best == labels)), log_loss=loss)
    has_both = len(np.unique(labels)) == 2
    curve = float(metrics.roc_auc_score(labels, shares[:, 1])) if has_both else math.nan
    return Metrics(roc_auc=curve, log_loss=loss)


def _quantile(model: Any, inputs: pd.DataFrame, labels: Any, level: float, group: str) -> Metrics:
    from tidewheel.statistics.metric_table import metric_of
    from tidewheel.statistics.scored import Scored

    if group or not 0 < level < 1:
        told = f"beside group {group!r}" if group else "which is not between 0 and 1"
        raise ParameterError(f"a quantile of level {level:g} is asked for, {told}")
    if hasattr(model, "classes_"):
        raise ParameterError(f"{type(model).__name__} is a classifier, which gives no quantiles")
    answers = np.asarray(model.predict(inputs), dtype=float).reshape(-1, 1)
    scored = Scored("quantiles", labels.astype(float), answers, levels=(level,))
    return Metrics({name: metric_of("quantiles", name).value(scored) for name in ("pinball", "coverage_error")})


def _ranked(model: Any, inputs: pd.DataFrame, labels: Any, queries: Any) -> Metrics:
    from tidewheel.statistics.ranking_metrics import query_values
    from tidewheel.statistics.scored import Scored

    if hasattr(model, "classes_"):
        raise ParameterError(f"{type(model).__name__} is a classifier, which gives no numbers for a ranking")
    scored = Scored("ranking", labels.astype(float), np.asarray(model.predict(inputs), dtype=float), groups=queries)
    found = {name: query_values(name, scored)[0] for name in ("ndcg", "ndcg_10", "mrr", "map")}
    known = {name: values[np.isfinite(values)] for name, values in found.items()}
    return Metrics({name: float(values.mean()) if len(values) else math.nan for name, values in known.items()})


def _make(name: str, arguments: dict[str, Any]) -> Any:
    module, _, attribute = name.rpartition(".")
    if module.partition(".")[0] not in _LIBRARIES:
        raise ParameterError(
            f"estimator {name!r} is none of scikit-learn, LightGBM or XGBoost",
            next_step="write a step that makes it and calls tidewheel.steps.estimator_fit.fit_estimator",
        )
    try:
        found = getattr(importlib.import_module(module), attribute, None)
    except ModuleNotFoundError as error:
        raise NotFoundError(
            "module", str(error.name), next_step="install it: `pip install tidewheel[xgboost]`"
        ) from None
    if not isinstance(found, type) or not hasattr(found, "fit"):
        known = [one for one in dir(importlib.import_module(module)) if one[:1].isupper()]
        raise NotFoundError("estimator", attribute, known=known, where=f"module {module}")
    try:
        return found(**arguments)
    except TypeError as error:
        raise ParameterError(f"estimator {name!r} refuses its arguments: {error}") from None
