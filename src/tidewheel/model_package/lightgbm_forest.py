"""LightGBM's boosters as forests, read from its own description of the model (`Booster.dump_model`)."""

from __future__ import annotations

import math
from typing import Any, Literal

import lightgbm
import pandas as pd

from tidewheel.core.errors import ConversionError
from tidewheel.model_package.forest import Forest, Leaf, Split
from tidewheel.model_package.original_model import plain_classes
from tidewheel.model_package.signature import Task

_LINKS: dict[str, tuple[Task, Literal["identity", "logistic", "softmax", "exp"]]] = {
    "binary": ("binary", "logistic"),
    "multiclass": ("multiclass", "softmax"),
    "regression": ("regression", "identity"),
    "regression_l1": ("regression", "identity"),
    "huber": ("regression", "identity"),
    "quantile": ("regression", "identity"),
    "fair": ("regression", "identity"),
    "mape": ("regression", "identity"),
    "poisson": ("regression", "exp"),
    "tweedie": ("regression", "exp"),
    "gamma": ("regression", "exp"),
    "lambdarank": ("regression", "identity"),
    "rank_xendcg": ("regression", "identity"),
}

# `dump_model` writes the infinite threshold that parts missing from known as this, because JSON has no infinity.
_INFINITE = 1e300
_ZERO = 1.0000000180025095e-35  # kZeroThreshold, 1e-35 in float32: what is not larger counts as zero


def is_lightgbm(model: Any) -> bool:
    """Whether this file reads the model."""
    return isinstance(model, lightgbm.Booster | lightgbm.LGBMModel)


def booster_of(model: Any) -> lightgbm.Booster:
    """The booster of an estimator, or the booster itself."""
    return model.booster_ if isinstance(model, lightgbm.LGBMModel) else model


def read_forest(model: Any, sample: pd.DataFrame) -> Forest:
    """The forest of a booster or estimator.

    Args:
        sample: rows in the model's column order; its category columns are those of the training, as LightGBM itself
            assumes when it predicts.

    Raises:
        ConversionError: its objective, averaging or missing-value rule has no exact form here.
    """
    booster = booster_of(model)
    described = booster.dump_model(num_iteration=booster.best_iteration if booster.best_iteration > 0 else None)
    objective, *options = str(described.get("objective", "")).split(" ")
    if objective not in _LINKS or described.get("average_output"):
        raise ConversionError(f"LightGBM objective {objective!r} has no exact form in ONNX here")
    if objective == "binary" and "sigmoid:1" not in options:
        raise ConversionError("LightGBM's sigmoid parameter is not 1")
    if "sqrt" in options:
        raise ConversionError("LightGBM's reg_sqrt has no exact form in ONNX here")
    task, link = _LINKS[objective]
    width = int(described["num_tree_per_iteration"])
    numbered = () if task == "regression" else range(max(2, width))
    classes = plain_classes(getattr(model, "classes_", numbered))
    columns = tuple(str(name) for name in sample.columns)
    trees = tuple((index % width, _node(tree["tree_structure"])) for index, tree in enumerate(described["tree_info"]))
    return Forest(
        columns=columns,
        categories=_categories(booster, trees, sample),
        trees=trees,
        base=(0.0,) * width,
        task=task,
        classes=classes,
        link=link,
    )


def _categories(
    booster: lightgbm.Booster, trees: tuple[tuple[int, Split | Leaf], ...], sample: pd.DataFrame
) -> dict[str, tuple[str, ...]]:
    """The texts behind the codes; LightGBM keeps them without names, in the order of the frame's category columns."""
    known = booster.pandas_categorical or []
    names = [str(name) for name, kind in sample.dtypes.items() if isinstance(kind, pd.CategoricalDtype)]
    if len(names) != len(known):
        raise ConversionError(
            f"the sample has {len(names)} category columns, the model was trained on {len(known)}",
            next_step="hand over the sample with the types that it had in training",
        )
    if any(not isinstance(one, str) for values in known for one in values):
        raise ConversionError("categories that are no text have no exact form in ONNX here")
    splits = Forest(tuple(map(str, sample.columns)), {}, trees, (), "regression", (), "identity").splits()
    if any(split.threshold is None and str(sample.columns[split.feature]) not in names for split in splits):
        raise ConversionError(
            "categories given as codes have no texts", next_step="train on a DataFrame with categories"
        )
    return {name: tuple(str(one) for one in values) for name, values in zip(names, known, strict=True)}


def _effective(threshold: float) -> float:
    """The threshold that says in plain doubles what LightGBM says after it took the tiniest numbers for zero."""
    if abs(threshold) >= _INFINITE:
        return math.copysign(math.inf, threshold)
    if abs(threshold) > _ZERO:
        return threshold
    return _ZERO if threshold >= 0.0 else math.nextafter(-_ZERO, -math.inf)


def _node(node: dict[str, Any]) -> Split | Leaf:
    if "leaf_value" in node:
        return Leaf(float(node["leaf_value"]))
    is_category = node["decision_type"] == "=="
    missing = node["missing_type"]
    if missing == "Zero":
        raise ConversionError("LightGBM's zero_as_missing has no exact form in ONNX here")
    threshold = None if is_category else _effective(float(node["threshold"]))
    if threshold is None:
        is_missing_left = False  # LightGBM sends missing and unknown categories to the right
    else:
        is_missing_left = bool(node["default_left"]) if missing == "NaN" else threshold >= 0.0  # else NaN counts as 0
    return Split(
        feature=int(node["split_feature"]),
        threshold=threshold,
        members=tuple(int(one) for one in str(node["threshold"]).split("||")) if is_category else (),
        is_missing_left=is_missing_left,
        left=_node(node["left_child"]),
        right=_node(node["right_child"]),
    )
