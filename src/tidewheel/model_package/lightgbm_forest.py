"""LightGBM's boosters as forests, read from its own description of the model (`Booster.dump_model`)."""

from __future__ import annotations

from typing import Any, Literal

import lightgbm

from tidewheel.core.errors import ConversionError
from tidewheel.model_package.forest import Forest, Leaf, Split
from tidewheel.model_package.signature import Task

_LINKS: dict[str, tuple[Task, Literal["identity", "logistic", "softmax", "exp"]]] = {
    "binary": ("binary", "logistic"),
    "multiclass": ("multiclass", "softmax"),
    "regression": ("regression", "identity"),
    "regression_l1": ("regression", "identity"),
    "huber": ("regression", "identity"),
    "quantile": ("regression", "identity"),
    "poisson": ("regression", "exp"),
    "tweedie": ("regression", "exp"),
    "gamma": ("regression", "exp"),
}


def is_lightgbm(model: Any) -> bool:
    """Whether this file reads the model."""
    return isinstance(model, lightgbm.Booster | lightgbm.LGBMModel)


def booster_of(model: Any) -> lightgbm.Booster:
    """The booster of an estimator, or the booster itself."""
    return model.booster_ if isinstance(model, lightgbm.LGBMModel) else model


def read_forest(model: Any) -> Forest:
    """The forest of a booster or estimator.

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
    task, link = _LINKS[objective]
    width = int(described["num_tree_per_iteration"])
    numbered = () if task == "regression" else range(max(2, width))
    classes = tuple(_plain(one) for one in getattr(model, "classes_", numbered))
    columns = tuple(described["feature_names"])
    trees = tuple((index % width, _node(tree["tree_structure"])) for index, tree in enumerate(described["tree_info"]))
    return Forest(
        columns=columns,
        categories=_categories(booster, trees, columns),
        trees=trees,
        base=(0.0,) * width,
        task=task,
        classes=classes,
        link=link,
    )


def _categories(
    booster: lightgbm.Booster, trees: tuple[tuple[int, Split | Leaf], ...], columns: tuple[str, ...]
) -> dict[str, tuple[str, ...]]:
    """The texts behind the codes; LightGBM keeps them in the order of the frame's category columns."""
    known = booster.pandas_categorical or []
    if any(not isinstance(one, str) for values in known for one in values):
        raise ConversionError("categories that are no text have no exact form in ONNX here")
    infos = booster.dump_model(num_iteration=1)["feature_infos"]
    names = [name for name in columns if _is_category(infos.get(name))]
    if len(names) > len(known):
        raise ConversionError(
            "categories given as codes have no texts", next_step="train on a DataFrame with categories"
        )
    if len(names) == len(known):
        return {name: tuple(values) for name, values in zip(names, known, strict=True)}
    raise ConversionError("a category column was not used in any split, so its place is not known")


def _is_category(info: Any) -> bool:
    return isinstance(info, dict) and bool(info.get("values"))


def _node(node: dict[str, Any]) -> Split | Leaf:
    if "leaf_value" in node:
        return Leaf(float(node["leaf_value"]))
    is_category = node["decision_type"] == "=="
    missing = node["missing_type"]
    if missing == "Zero":
        raise ConversionError("LightGBM's zero_as_missing has no exact form in ONNX here")
    threshold = None if is_category else float(node["threshold"])
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


def _plain(one: Any) -> int | str:
    return one if isinstance(one, str) else int(one)
