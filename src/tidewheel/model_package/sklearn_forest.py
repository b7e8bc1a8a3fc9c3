"""scikit-learn's trees, random forests, extra trees and gradient boosting as forests.

These models round numbers to float32 before each decision, so the graph does too (`Forest.is_single`), and only there.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from tidewheel.core.errors import ConversionError
from tidewheel.model_package.forest import Forest, Leaf, Split
from tidewheel.model_package.original_model import plain_classes

_AVERAGED = {
    "DecisionTreeClassifier",
    "DecisionTreeRegressor",
    "ExtraTreeClassifier",
    "ExtraTreeRegressor",
    "ExtraTreesClassifier",
    "ExtraTreesRegressor",
    "RandomForestClassifier",
    "RandomForestRegressor",
}
_BOOSTED = {"GradientBoostingClassifier", "GradientBoostingRegressor"}


def is_sklearn_forest(model: Any) -> bool:
    """Whether this file reads the model."""
    return type(model).__module__.startswith("sklearn.") and type(model).__name__ in _AVERAGED | _BOOSTED


def read_forest(model: Any, sample: pd.DataFrame) -> Forest:
    """The forest of a fitted model.

    Args:
        sample: rows in the model's column order, which name the columns.

    Raises:
        ConversionError: several targets, or a start that is no constant.
    """
    columns = tuple(str(name) for name in sample.columns)
    if type(model).__name__ in _BOOSTED:
        return _boosted(model, columns)
    if getattr(model, "n_outputs_", 1) != 1:
        raise ConversionError("several targets at once have no exact form in ONNX here")
    if getattr(model, "monotonic_cst", None) is not None:
        raise ConversionError("monotonic constraints have no exact form in ONNX here")
    trees = [one.tree_ for one in getattr(model, "estimators_", [model])]
    classes = plain_classes(model.classes_) if hasattr(model, "classes_") else ()
    # Of two classes the share of the second; of more, a copy of each tree for each class, as leaves hold one number.
    shares = [0] if not classes else [1] if len(classes) == 2 else list(range(len(classes)))
    grown = [
        (target, _tree(tree, tree.value[:, 0, share] / len(trees)))
        for target, share in enumerate(shares)
        for tree in trees
    ]
    return Forest(
        columns=columns,
        categories={},
        trees=tuple(grown),
        base=(0.0,) * len(shares),
        task="regression" if not classes else "binary" if len(classes) == 2 else "multiclass",
        classes=classes,
        link="share" if classes else "identity",
        is_single=True,
    )


def _boosted(model: Any, columns: tuple[str, ...]) -> Forest:
    is_classifier = hasattr(model, "classes_")
    if not (isinstance(model.init_, str) or type(model.init_).__name__.startswith("Dummy")):
        raise ConversionError("gradient boosting that starts from another model has no exact form in ONNX here")
    width = model.estimators_.shape[1]
    start = np.asarray(model._raw_predict_init(np.zeros((1, len(columns)), dtype=np.float32)))[0]
    # The exponential loss counts half log odds.
    factor = 2.0 if is_classifier and model.loss == "exponential" else 1.0
    trees = [
        (target, _tree(tree.tree_, tree.tree_.value[:, 0, 0] * model.learning_rate * factor))
        for stage in model.estimators_
        for target, tree in enumerate(stage)
    ]
    return Forest(
        columns=columns,
        categories={},
        trees=tuple(trees),
        base=tuple(float(one) * factor for one in start),
        task="regression" if not is_classifier else "binary" if width == 1 else "multiclass",
        classes=plain_classes(model.classes_) if is_classifier else (),
        link="identity" if not is_classifier else "logistic" if width == 1 else "softmax",
        is_single=True,
    )


def _tree(tree: Any, values: np.ndarray) -> Split | Leaf:
    left, right, is_left = tree.children_left, tree.children_right, tree.missing_go_to_left

    def build(index: int) -> Split | Leaf:
        if left[index] < 0:
            return Leaf(float(values[index]))
        return Split(
            feature=int(tree.feature[index]),
            threshold=float(tree.threshold[index]),
            members=(),
            is_missing_left=bool(is_left[index]),
            left=build(left[index]),
            right=build(right[index]),
        )

    return build(0)
