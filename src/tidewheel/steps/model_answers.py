"""Answers of whatever a training step made: a package, an estimator, or one estimator for each quantile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tidewheel.core.errors import ParameterError, SchemaMismatchError
from tidewheel.model_package import Package
from tidewheel.statistics.binary_metrics import Numbers
from tidewheel.statistics.scored import Problem
from tidewheel.steps.estimator_fit import columns_of_names, model_rows
from tidewheel.steps.scoring import said_by


@dataclass(frozen=True)
class Answering:
    """A model that can be asked.

    Attributes:
        model: a package, an estimator, or estimators by quantile level.
        problem: what it answers.
        features: the columns that it takes.
        classes: of a classifier, in the order of its probabilities.
        levels: of quantiles, ascending.
    """

    model: Any
    problem: Problem
    features: tuple[str, ...]
    classes: tuple[Any, ...] = ()
    levels: tuple[float, ...] = ()

    def said(self, rows: pd.DataFrame) -> Numbers:
        """Its answers in the form that metrics take.

        Raises:
            SchemaMismatchError: rows lack a column, or the model refuses them.
        """
        missing = [name for name in self.features if name not in rows.columns]
        if missing:
            raise SchemaMismatchError(
                f"the model needs the columns {', '.join(map(repr, missing))}, which the rows lack",
                next_step="hand over the prepared rows, or name the columns with `features=`",
            )
        if isinstance(self.model, Mapping):
            parts = [_asked(_at(self.model, level), rows, self.features, "regression") for level in self.levels]
            return np.column_stack(parts)
        said = _asked(self.model, rows, self.features, self.problem)
        return said.reshape(-1, 1) if self.problem == "quantiles" and said.ndim == 1 else said


def answering(
    model: Any, rows: pd.DataFrame, *, features: tuple[str, ...] = (), group: str = "", level: float | None = None
) -> Answering:
    """Finds out what a model answers, and from which columns.

    Args:
        model: a package, a fitted estimator, or estimators by quantile level (numbers, or text such as `0.9`).
        rows: some that it will be asked.
        features: the columns, where the model does not say.
        group: declares a ranking.
        level: declares a quantile.

    Raises:
        SchemaMismatchError: the model has no signature and no names of its features, and none are given.
        ParameterError: levels are not between 0 and 1.
    """
    if level is not None and not 0 < level < 1:
        raise ParameterError(f"level {level} is not between 0 and 1", next_step="0.9 is exceeded by one row of ten")
    if isinstance(model, Mapping):
        levels = tuple(sorted(float(one) for one in model))
        if not levels or not all(0 < one < 1 for one in levels):
            raise ParameterError(f"levels {levels} are not between 0 and 1", next_step="name models by level: '0.9'")
        return Answering(model, "quantiles", _features(_at(model, levels[0]), features, rows), levels=levels)
    names = _features(model, features, rows)
    classes = _classes(model)
    if group or level is not None:
        if classes:
            raise SchemaMismatchError("the model is a classifier, which gives no numbers for a ranking or quantile")
        return Answering(
            model, "ranking" if group else "quantiles", names, levels=(level,) if level is not None else ()
        )
    problem: Problem = "regression" if not classes else "binary" if len(classes) == 2 else "multiclass"
    return Answering(model, problem, names, classes)


def _at(models: Mapping[Any, Any], level: float) -> Any:
    return next(model for name, model in models.items() if float(name) == level)


def _features(model: Any, given: tuple[str, ...], rows: pd.DataFrame) -> tuple[str, ...]:
    if isinstance(model, Package):
        return tuple(field.name for field in model.signature.inputs)
    if given:
        return given
    found = getattr(model, "feature_names_in_", None)
    if found is None and callable(getattr(model, "feature_name", None)):
        found = model.feature_name()
    if found is None or not len(found):
        raise SchemaMismatchError(
            f"{type(model).__name__} has no signature: it does not say which columns it takes",
            next_step="name them with `features=`, or hand over its package",
        )
    return tuple(columns_of_names(found, rows))


def _classes(model: Any) -> tuple[Any, ...]:
    if isinstance(model, Package):
        return tuple(model.signature.classes)
    known = getattr(model, "classes_", None)
    if known is not None:
        return tuple(one.item() if isinstance(one, np.generic) else one for one in known)
    if type(model).__name__ == "Booster" and hasattr(model, "dump_model"):
        objective = str(model.dump_model(num_iteration=1).get("objective", "")).split(" ")[0]
        width = model.num_model_per_iteration()
        return (0, 1) if objective == "binary" else tuple(range(width)) if width > 1 else ()
    return ()


def _asked(model: Any, rows: pd.DataFrame, features: tuple[str, ...], problem: Problem) -> Numbers:
    if isinstance(model, Package):
        return said_by(model, rows, problem)
    frame: Any = model_rows(model, rows[list(features)])
    if getattr(model, "feature_names_in_", None) is None and not hasattr(model, "feature_name"):
        frame = frame.to_numpy()  # a model that was shown no names warns about them
    is_classifier = problem in ("binary", "multiclass")
    try:
        asked = model.predict_proba if is_classifier and hasattr(model, "predict_proba") else model.predict
        said = np.asarray(asked(frame), dtype=np.float64)
    except (ValueError, TypeError, KeyError) as error:
        raise SchemaMismatchError(f"the model refuses the rows: {error}") from error
    return said[:, 1] if problem == "binary" and said.ndim == 2 else said
