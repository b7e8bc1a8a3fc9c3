"""XGBoost's models as forests, read from its own JSON form; XGBoost itself is not imported.

XGBoost rounds numbers to float32, sends what is smaller than a threshold to the left, and sums in float32. The graph
rounds and decides alike and sums in double, so its answers are the sums that XGBoost's are rounded from.
"""

from __future__ import annotations

import json
import math
from typing import Any, Literal

import numpy as np
import pandas as pd

from tidewheel.core.errors import ConversionError
from tidewheel.model_package.forest import Forest, Leaf, Split
from tidewheel.model_package.original_model import plain_classes

_Link = Literal["identity", "logistic", "softmax", "exp"]
_LINKS: dict[str, _Link] = {
    "binary:logistic": "logistic",
    "multi:softprob": "softmax",
    "reg:squarederror": "identity",
    "reg:absoluteerror": "identity",
    "reg:pseudohubererror": "identity",
    "reg:quantileerror": "identity",
    "reg:squaredlogerror": "identity",
    "count:poisson": "exp",
    "reg:gamma": "exp",
    "reg:tweedie": "exp",
    "rank:ndcg": "identity",
    "rank:map": "identity",
    "rank:pairwise": "identity",
}


def is_xgboost(model: Any) -> bool:
    """Whether this file reads the model: an estimator of XGBoost."""
    return type(model).__module__.startswith("xgboost.") and hasattr(model, "get_booster")


def read_forest(model: Any, sample: pd.DataFrame) -> Forest:
    """The forest of a fitted estimator, up to its best iteration.

    Args:
        sample: rows in the model's column order, which name the columns.

    Raises:
        ConversionError: its booster, objective or categories have no exact form here.
    """
    learner = json.loads(bytes(model.get_booster().save_raw("json")))["learner"]
    booster, objective = learner["gradient_booster"], learner["objective"]["name"]
    if booster["name"] != "gbtree" or objective not in _LINKS:
        raise ConversionError(
            f"XGBoost's {booster['name']} with objective {objective!r} has no exact form in ONNX here"
        )
    link, trees, targets = _LINKS[objective], booster["model"]["trees"], booster["model"]["tree_info"]
    classes = plain_classes(model.classes_) if hasattr(model, "classes_") else ()
    width = len(classes) if link == "softmax" else 1
    rounds = _best(model)
    boundaries = booster["model"]["iteration_indptr"]
    count = boundaries[rounds] if rounds is not None else len(trees)
    return Forest(
        columns=tuple(str(name) for name in sample.columns),
        categories={},
        trees=tuple((targets[place], _tree(tree)) for place, tree in enumerate(trees[:count])),
        base=_base(learner["learner_model_param"]["base_score"], link, width),
        task={"logistic": "binary", "softmax": "multiclass"}.get(link, "regression"),  # type: ignore[arg-type]
        classes=classes,
        link=link,
        is_single=True,
        rounding=count / width * 2.0**-24,
    )


def _best(model: Any) -> int | None:
    """Iterations that answer, where training was stopped early."""
    try:
        return int(model.best_iteration) + 1
    except AttributeError:
        return None


def _base(written: str, link: _Link, width: int) -> tuple[float, ...]:
    """The start of the sums; written as an answer, of one number or one per class."""
    scores = [float(np.float32(one)) for one in str(written).strip("[]").split(",")]
    scores = scores * width if len(scores) == 1 else scores
    if link == "logistic":
        return tuple(math.log(one / (1 - one)) for one in scores)
    return tuple(math.log(one) for one in scores) if link == "exp" else tuple(scores)


def _tree(tree: dict[str, Any]) -> Split | Leaf:
    left, right, conditions = tree["left_children"], tree["right_children"], tree["split_conditions"]
    if any(tree.get("categories", ())) or int(tree["tree_param"].get("size_leaf_vector", 1)) > 1:
        raise ConversionError("XGBoost's own categories have no exact form in ONNX here")

    def build(index: int) -> Split | Leaf:
        value = np.float32(conditions[index])
        if left[index] < 0:
            return Leaf(float(value))
        below = float(np.nextafter(value, np.float32(-np.inf)))  # of float32 numbers, `< value` is `<= below`
        return Split(
            feature=int(tree["split_indices"][index]),
            threshold=below,
            members=(),
            is_missing_left=bool(tree["default_left"][index]),
            left=build(left[index]),
            right=build(right[index]),
        )

    return build(0)
