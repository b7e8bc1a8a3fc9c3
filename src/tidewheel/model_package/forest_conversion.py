"""Forests that take raw rows: HistGradientBoosting and LightGBM with native categories, XGBoost, scikit-learn's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pandas as pd

from tidewheel.core.errors import ConversionError
from tidewheel.model_package import hist_gradient_forest, lightgbm_forest, sklearn_forest, xgboost_forest
from tidewheel.model_package.boundary_rows import forest_values
from tidewheel.model_package.conversion import Conversion, answered_when_missing, with_missing
from tidewheel.model_package.forest import Forest
from tidewheel.model_package.onnx_forest import write_onnx
from tidewheel.model_package.original_model import OriginalModel
from tidewheel.model_package.signature import Field, Signature, infer_signature

_READERS: tuple[tuple[Callable[[Any], bool], Callable[[Any, pd.DataFrame], Forest]], ...] = (
    (lightgbm_forest.is_lightgbm, lightgbm_forest.read_forest),
    (hist_gradient_forest.is_hist_gradient, hist_gradient_forest.read_forest),
    (sklearn_forest.is_sklearn_forest, sklearn_forest.read_forest),
    (xgboost_forest.is_xgboost, xgboost_forest.read_forest),
)


def forest_of(model: Any, sample: pd.DataFrame) -> Forest | None:
    """The forest of a fitted model, or None for a model that is no forest.

    Raises:
        ConversionError: the forest has no exact form.
    """
    for is_ours, read in _READERS:
        if is_ours(model):
            try:
                return read(model, sample)
            except RecursionError:
                raise ConversionError("the trees are too deep") from None
    return None


class ForestConverter:
    """Reads trees and writes them as one TreeEnsemble in double precision.

    Args:
        write: makes the ONNX file.
    """

    name = "forest"

    def __init__(self, write: Callable[[Forest, Signature], bytes] = write_onnx) -> None:
        self._write = write

    def convert(self, original: OriginalModel) -> Conversion | None:
        """See Converter."""
        forest = forest_of(original.model, original.rows)
        if forest is None:
            return None
        signature = infer_signature(original.rows, forest.task, forest.classes)
        if forest.is_single:  # such a model may refuse what is missing
            signature = with_missing(signature, answered_when_missing(original, signature))
        else:
            signature = _with_categories(signature, forest)
        try:
            data = self._write(forest, signature)
        except RecursionError:
            raise ConversionError("the trees are too deep") from None
        return Conversion(data, signature, forest_values(forest, signature), False, forest.rounding)


def _with_categories(signature: Signature, forest: Forest) -> Signature:
    """Trees say where a missing number goes, also when the sample happened to have none."""
    texts = forest.texts()
    fields = tuple(
        Field(
            name=field.name,
            kind="string" if field.name in texts else field.kind,
            allows_null=field.allows_null or field.kind == "float" or field.name in texts,
            domain=texts.get(field.name, ()),
        )
        for field in signature.inputs
    )
    return msgspec.structs.replace(signature, inputs=fields)
