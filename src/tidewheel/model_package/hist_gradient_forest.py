"""scikit-learn's HistGradientBoosting models as forests, native categories included.

The trees are read from the fitted attributes of scikit-learn 1.9 (`_predictors`, `_preprocessor`), which are private:
parity with the model's own answers is what decides whether they were read rightly.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd

from tidewheel.core.errors import ConversionError
from tidewheel.model_package.forest import Forest, Leaf, Split
from tidewheel.model_package.original_model import plain_classes


def is_hist_gradient(model: Any) -> bool:
    """Whether this file reads the model."""
    return type(model).__name__ in ("HistGradientBoostingClassifier", "HistGradientBoostingRegressor")


def read_forest(model: Any, sample: pd.DataFrame) -> Forest:
    """The forest of a fitted model.

    Args:
        sample: rows in the model's column order, which name the columns of a model that was shown no names.

    Raises:
        ConversionError: its loss or categories have no exact form here.
    """
    columns, categories = _columns(model, [str(name) for name in sample.columns])
    is_classifier = type(model).__name__.endswith("Classifier")
    classes = plain_classes(model.classes_) if is_classifier else ()
    width = len(model._predictors[0])
    trees = [(target, _tree(tree)) for step in model._predictors for target, tree in enumerate(step)]
    loss = model.loss if not is_classifier else "log_loss"
    if loss not in ("log_loss", "squared_error", "absolute_error", "quantile", "poisson", "gamma"):
        raise ConversionError(f"loss {loss!r} has no exact form in ONNX here")
    regression: Literal["exp", "identity"] = "exp" if loss in ("poisson", "gamma") else "identity"
    return Forest(
        columns=columns,
        categories=categories,
        trees=tuple(trees),
        base=tuple(float(one) for one in np.ravel(model._baseline_prediction)),
        task="regression" if not is_classifier else "binary" if width == 1 else "multiclass",
        classes=classes,
        link=regression if not is_classifier else "logistic" if width == 1 else "softmax",
    )


def _columns(model: Any, names: list[str]) -> tuple[tuple[str, ...], dict[str, tuple[str, ...] | tuple[float, ...]]]:
    """Columns in the order in which trees number them (categories first), and what stands behind the codes."""
    if model._preprocessor is None:
        return tuple(names), {}
    encoder = model._preprocessor.named_transformers_["encoder"]
    is_category = np.asarray(model.is_categorical_, dtype=bool)
    chosen = [name for name, is_one in zip(names, is_category, strict=True) if is_one]
    rest = [name for name, is_one in zip(names, is_category, strict=True) if not is_one]
    known = {name: _known(name, values) for name, values in zip(chosen, encoder.categories_, strict=True)}
    return (*chosen, *rest), known


def _known(name: str, values: Any) -> tuple[str, ...] | tuple[float, ...]:
    """The categories of a column without the missing ones."""
    present = [one for one in values if one == one and one is not None]
    texts = tuple(str(one) for one in present if isinstance(one, str))
    if len(texts) == len(present):
        return texts
    if texts:
        raise ConversionError(f"categories of {name!r} are texts and numbers")
    return tuple(float(one) for one in present)


def _tree(predictor: Any) -> Split | Leaf:
    nodes, bitsets = predictor.nodes, predictor.raw_left_cat_bitsets

    def build(index: int) -> Split | Leaf:
        node = nodes[index]
        if node["is_leaf"]:
            return Leaf(float(node["value"]))
        is_category = bool(node["is_categorical"])
        bits = bitsets[node["bitset_idx"]] if is_category else ()
        return Split(
            feature=int(node["feature_idx"]),
            threshold=None if is_category else float(node["num_threshold"]),
            members=tuple(code for code in range(256) if is_category and int(bits[code // 32]) >> (code % 32) & 1),
            is_missing_left=bool(node["missing_go_to_left"]),
            left=build(int(node["left"])),
            right=build(int(node["right"])),
        )

    return build(0)
