"""The fitted model that a package is made from: its columns, its task, and its own answers to rows."""

from __future__ import annotations

from typing import Any

import lightgbm
import numpy as np
import pandas as pd

from tidewheel.core.errors import ConversionError
from tidewheel.model_package.native_model import answers_of
from tidewheel.model_package.signature import Signature, Task


class OriginalModel:
    """A fitted model together with real rows of its features.

    Args:
        model: a fitted estimator or a booster.
        sample: rows of its features; the columns may stand in another order than in training.

    Attributes:
        rows: the sample with text as column names, in the order in which the model was trained.
        reasons: why converters did not convert it.

    Raises:
        ConversionError: the model is not fitted, or the sample does not have its columns.
    """

    def __init__(self, model: Any, sample: pd.DataFrame) -> None:
        _check_fitted(model)
        if sample.empty:
            raise ConversionError("the sample has no rows", next_step="hand some training rows to the packaging step")
        if not sample.columns.is_unique:
            raise ConversionError("the sample has two columns of one name", next_step="rename one of them")
        self.model = model
        self._given = sample[_order(model, sample)]
        self.rows = self._given.set_axis([str(name) for name in self._given.columns], axis=1)
        self.reasons: list[str] = []

    def taken(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Other rows with the columns of the sample, of which they may have more, such as the label of test rows.

        Raises:
            ConversionError: they do not have its columns.
        """
        if set(self._given.columns) <= set(rows.columns):
            rows = rows[list(self._given.columns)]
        return rows[_order(self.model, rows)].set_axis(list(self.rows.columns), axis=1)

    def task(self) -> tuple[Task, tuple[int | str, ...]]:
        """What it decides, and the classes in the order of its probabilities."""
        if isinstance(self.model, lightgbm.Booster):
            objective = str(self.model.dump_model(num_iteration=1).get("objective", "")).split(" ")[0]
            if objective == "binary":
                return "binary", (0, 1)
            width = self.model.num_model_per_iteration()
            return ("multiclass", tuple(range(width))) if width > 1 else ("regression", ())
        found = getattr(self.model, "classes_", None)
        if found is None:
            return "regression", ()
        classes = plain_classes(found)
        return ("binary" if len(classes) == 2 else "multiclass"), classes

    def answers(self, signature: Signature, frame: pd.DataFrame | None = None) -> dict[str, np.ndarray]:
        """Its own answers in the form that packages give: to the sample exactly as it was given, or to another frame.

        Args:
            frame: rows with the columns of the signature, such as `frame_of` gives.
        """
        return answers_of(self.model, self._given if frame is None else frame, signature)


def plain_classes(classes: Any) -> tuple[int | str, ...]:
    """Class labels as JSON has them.

    Raises:
        ConversionError: a label is neither text nor a whole number.
    """
    return tuple(_plain(one) for one in classes)


def _plain(one: Any) -> int | str:
    if isinstance(one, str):
        return str(one)
    try:
        whole = int(one)
    except (TypeError, ValueError):
        whole = None
    if whole is None or whole != one:
        raise ConversionError(f"class {one!r} is neither text nor a whole number", next_step="encode the labels")
    return whole


def _check_fitted(model: Any) -> None:
    from sklearn.exceptions import NotFittedError
    from sklearn.utils.validation import check_is_fitted

    if isinstance(model, lightgbm.Booster):
        if not model.num_trees():
            raise ConversionError("the booster has no tree", next_step="train it first")
        return
    try:
        check_is_fitted(model)
    except NotFittedError:
        raise ConversionError(f"{type(model).__name__} is not fitted", next_step="fit it first") from None
    except (TypeError, AttributeError):  # the latter of a class that is no estimator of scikit-learn's kind
        raise ConversionError(
            f"{type(model).__name__} is no model of a library that can be packaged",
            next_step="return a fitted estimator of scikit-learn, LightGBM or XGBoost",
        ) from None


def _order(model: Any, sample: pd.DataFrame) -> list[Any]:
    """The sample's columns as the model counts them; by name, or by place for a model that was shown no names."""
    given = list(sample.columns)
    if isinstance(model, lightgbm.Booster | lightgbm.LGBMModel):
        booster = model if isinstance(model, lightgbm.Booster) else model.booster_
        names = [str(name) for name in booster.feature_name()]
        has_names = names != [f"Column_{index}" for index in range(len(names))]
    else:
        names = [str(name) for name in getattr(model, "feature_names_in_", ())]
        has_names = bool(names)
    if not has_names:
        count = len(names) or getattr(model, "n_features_in_", len(given))
        if count != len(given):
            raise ConversionError(f"the sample has {len(given)} columns, the model was trained on {count}")
        return given
    # LightGBM writes spaces as underscores.
    by_name = {str(name).replace(" ", "_"): name for name in given} | {str(name): name for name in given}
    missing = [name for name in names if name not in by_name]
    if missing or len(names) != len(given):
        foreign = sorted({str(name) for name in given} - set(names) - {str(by_name.get(name)) for name in names})
        told = f"lacks {', '.join(map(repr, missing))}" if missing else f"has {', '.join(map(repr, foreign))} besides"
        raise ConversionError(
            f"the sample does not have the columns that the model was trained on: it {told}",
            next_step="hand over the features only, as in training",
        )
    return [by_name[name] for name in names]
