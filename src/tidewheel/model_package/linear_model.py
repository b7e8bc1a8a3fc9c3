"""Linear models of scikit-learn as ONNX: a product in double precision, and the link."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tidewheel.core.errors import ConversionError
from tidewheel.model_package.onnx_answers import Link
from tidewheel.model_package.onnx_graph import Graph

_LOGISTIC = {"LogisticRegression", "LogisticRegressionCV", "LinearDiscriminantAnalysis"}
_IDENTITY = {
    "ARDRegression",
    "BayesianRidge",
    "ElasticNet",
    "ElasticNetCV",
    "HuberRegressor",
    "Lars",
    "LarsCV",
    "Lasso",
    "LassoCV",
    "LassoLars",
    "LassoLarsCV",
    "LassoLarsIC",
    "LinearRegression",
    "LinearSVR",
    "OrthogonalMatchingPursuit",
    "OrthogonalMatchingPursuitCV",
    "QuantileRegressor",
    "Ridge",
    "RidgeCV",
    "SGDRegressor",
    "TheilSenRegressor",
}
_EXPONENTIAL = {"GammaRegressor", "PoissonRegressor", "TweedieRegressor"}


@dataclass(frozen=True)
class Linear:
    """A product with coefficients, and what its result means.

    Attributes:
        coefficients: of shape [features, targets]; of two classes one target.
        intercept: of shape [targets].
    """

    coefficients: np.ndarray
    intercept: np.ndarray
    link: Link


def is_linear(model: Any) -> bool:
    """Whether this file reads the model."""
    return type(model).__module__.startswith("sklearn.") and type(model).__name__ in (
        _LOGISTIC | _IDENTITY | _EXPONENTIAL | {"SGDClassifier"}
    )


def read_linear(model: Any) -> Linear:
    """The numbers of a fitted model.

    Raises:
        ConversionError: it predicts several targets, or by a link without an exact form here.
    """
    coefficients = np.atleast_2d(np.asarray(model.coef_, dtype=np.float64))
    intercept = np.broadcast_to(np.asarray(model.intercept_, dtype=np.float64).ravel(), (len(coefficients),))
    link = _link(model, len(coefficients))
    if link in ("identity", "exp") and len(coefficients) != 1:
        raise ConversionError("several targets at once have no exact form in ONNX here")
    return Linear(coefficients.T.copy(), intercept.copy(), link)


def linear_scores(graph: Graph, linear: Linear, matrix: str) -> str:
    """The scores, of shape [n, targets]."""
    product = graph.add("MatMul", matrix, graph.constant(linear.coefficients))
    return graph.add("Add", product, graph.constant(linear.intercept.reshape(1, -1)))


def _link(model: Any, width: int) -> Link:
    name = type(model).__name__
    if name in _IDENTITY:
        return "identity"
    if name in _EXPONENTIAL:
        is_exponential = name != "TweedieRegressor" or model.link == "log" or (model.link == "auto" and model.power > 0)
        return "exp" if is_exponential else "identity"
    if name == "SGDClassifier":
        if model.loss != "log_loss":
            raise ConversionError(f"SGDClassifier with loss {model.loss!r} has no exact form in ONNX here")
        return "logistic" if width == 1 else "one_against_rest"
    return "logistic" if width == 1 else "softmax"
