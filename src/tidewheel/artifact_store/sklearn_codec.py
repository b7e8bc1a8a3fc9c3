"""Fitted scikit-learn estimators in skops' format, in a canonical archive. Never pickle."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

from tidewheel.core.errors import CodecNotFoundError, ParameterError, UnreadableFileError

# Beyond what skops trusts (public estimators, ufuncs, losses), looked at one by one: plain data, or functions that do
# nothing but check arrays. skops leaves the two kinds of tree nodes out because a forged file could hold indices out of
# bounds; the bytes decoded here were compared with their digest before.
_TRUSTED = frozenset(
    {
        "collections.OrderedDict",
        "collections.defaultdict",
        "functools.partial",
        "lightgbm.basic.Booster",
        "lightgbm.sklearn.LGBMClassifier",
        "lightgbm.sklearn.LGBMRegressor",
        "lightgbm.sklearn.LGBMRanker",
        "numpy.dtype",
        "numpy.ma.MaskedArray",
        "numpy.random.mtrand.RandomState",
        "scipy.interpolate._bsplines.BSpline",
        "sklearn._loss._loss.CyHalfMultinomialLoss",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "sklearn.tree._tree.Tree",
        "sklearn.utils.validation.check_array",
        "xgboost.core.Booster",
        "xgboost.sklearn.XGBClassifier",
        "xgboost.sklearn.XGBRegressor",
        "xgboost.sklearn.XGBRanker",
    }
)
_TRUSTED_SPARSE = re.compile(r"scipy\.sparse\._(bsr|coo|csc|csr|dia|dok|lil)\.\w+_(matrix|array)")


class SklearnCodec:
    """Stores estimators of scikit-learn and pipelines of them, with those of LightGBM and XGBoost inside too.

    Classes and functions of other packages are refused when the model is stored, not when it is loaded.
    """

    name = "sklearn"
    version = 1

    def encode(self, value: Any, stream: BinaryIO) -> dict[str, Any]:
        """Writes the archive.

        Raises:
            CodecNotFoundError: the model holds a type or function that is not trusted.
            ParameterError: skops has no form for a part of it.
        """
        from skops.io.exceptions import UnsupportedTypeException

        from tidewheel.artifact_store.skops_archive import canonical_archive

        try:
            archive = canonical_archive(value)
        except (UnsupportedTypeException, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise ParameterError(
                f"the model {type(value).__qualname__} has no stored form: {error}",
                next_step="replace the part that is named, or store its parameters and rebuild it",
            ) from error
        untrusted = _untrusted(archive)
        if untrusted:
            raise CodecNotFoundError(
                f"the model {type(value).__qualname__} holds what is not known to be safe: {', '.join(untrusted)}",
                next_step="use estimators and functions of scikit-learn, numpy or scipy in it, and move your own code "
                "into a step before it",
            )
        stream.write(archive)
        return {"model": type(value).__qualname__}

    def decode(self, path: Path, as_type: Any = None) -> Any:
        """The estimator.

        Raises:
            CodecNotFoundError: the file names a type that is not trusted.
            UnreadableFileError: it is no such archive.
        """
        import skops.io

        data = path.read_bytes()
        try:
            untrusted = _untrusted(data)
            if not untrusted:
                return skops.io.loads(data, trusted=_trusted(data))
        except (zipfile.BadZipFile, ValueError, KeyError, EOFError) as error:
            raise UnreadableFileError(
                f"this is no stored model: {error}", where=str(path), next_step="run the step that made it again"
            ) from error
        raise CodecNotFoundError(
            f"the stored model holds what is not known to be safe: {', '.join(untrusted)}",
            where=str(path),
            next_step="run the step that made it again with this version of Tidewheel",
        )


def _untrusted(archive: bytes) -> list[str]:
    import skops.io

    return [name for name in skops.io.get_untrusted_types(data=archive) if not _is_trusted(name)]


def _trusted(archive: bytes) -> list[str]:
    import skops.io

    return [name for name in skops.io.get_untrusted_types(data=archive) if _is_trusted(name)]


def _is_trusted(name: str) -> bool:
    return name in _TRUSTED or _TRUSTED_SPARSE.fullmatch(name) is not None or _is_sklearn_data_class(name)


def _is_sklearn_data_class(name: str) -> bool:
    """Whether this is a class that scikit-learn itself defines, such as a kernel; its functions are not included."""
    import importlib

    module, _, attribute = name.rpartition(".")
    if not module.startswith("sklearn.") or ".tests" in module:
        return False
    try:
        found = getattr(importlib.import_module(module), attribute, None)
    except ImportError:
        return False
    return isinstance(found, type) and found.__module__.startswith("sklearn.")
