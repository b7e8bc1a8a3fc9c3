"""What a native model may be built from: data and scikit-learn's own classes, never functions of one's choice."""

from __future__ import annotations

import importlib
import re

# Beyond what skops trusts itself, looked at one by one: plain data, or functions that do nothing but check arrays.
_TRUSTED = frozenset(
    {
        "collections.OrderedDict",
        "collections.defaultdict",
        "functools.partial",
        "lightgbm.basic.Booster",
        "lightgbm.sklearn.LGBMClassifier",
        "lightgbm.sklearn.LGBMRanker",
        "lightgbm.sklearn.LGBMRegressor",
        "numpy.dtype",
        "numpy.ma.MaskedArray",
        "numpy.random.mtrand.RandomState",
        "scipy.interpolate._bsplines.BSpline",
        "sklearn._loss._loss.CyHalfMultinomialLoss",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "sklearn.tree._tree.Tree",
        "sklearn.utils.validation.check_array",
    }
)
_SPARSE = re.compile(r"scipy\.sparse\._(bsr|coo|csc|csr|dia|dok|lil)\.\w+_(matrix|array)")


def foreign_types(names: list[str]) -> list[str]:
    """Those of a file's types that must not be built, sorted.

    Example:
        >>> foreign_types(["sklearn.tree._tree.Tree", "builtins.eval"])
        ['builtins.eval']
    """
    return sorted(name for name in names if not _is_trusted(name))


def _is_trusted(name: str) -> bool:
    return name in _TRUSTED or _SPARSE.fullmatch(name) is not None or _is_sklearn_class(name)


def _is_sklearn_class(name: str) -> bool:
    """Whether scikit-learn itself defines this class, such as a kernel; its functions are not included."""
    module, _, attribute = name.rpartition(".")
    if not module.startswith("sklearn.") or ".tests" in module:
        return False
    try:
        found = getattr(importlib.import_module(module), attribute, None)
    except ImportError:
        return False
    return isinstance(found, type) and found.__module__.startswith("sklearn.")
