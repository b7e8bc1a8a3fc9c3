"""Answers from XGBoost where no ONNX form is exact: its own JSON form, looked through first, never pickle."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tidewheel.core.errors import ConversionError, SchemaMismatchError, UnreadableFileError
from tidewheel.model_package.native_model import frame_of, labelled
from tidewheel.model_package.signature import Signature
from tidewheel.model_package.xgboost_form import checked_form

FILE = "model.xgboost.json"


class XgboostModel:
    """A booster of XGBoost; `predict` may be called from several threads.

    Args:
        data: the form.
        signature: checks rows before the booster sees them.
        threads: that one call may use.

    Raises:
        UnreadableFileError: the file is damaged, points beyond itself, or is of another signature.
    """

    def __init__(self, data: bytes, signature: Signature, *, threads: int = 1) -> None:
        form = checked_form(data, [field.name for field in signature.inputs], len(signature.classes))
        try:
            import xgboost
        except ImportError:
            raise UnreadableFileError(
                "the package answers by XGBoost, which is not installed", next_step="pip install 'tidewheel[xgboost]'"
            ) from None
        self._signature = signature
        self._threads = threads
        self._matrix = xgboost.DMatrix
        self._booster = xgboost.Booster({"nthread": threads})
        try:
            self._booster.load_model(bytearray(form))
        except ValueError as error:  # XGBoost's own error is one
            raise UnreadableFileError(f"{FILE} cannot be loaded: {str(error).splitlines()[0]}") from None
        best = self._booster.attr("best_iteration")
        self._rounds = (0, int(best) + 1) if best is not None else (0, 0)

    def predict(self, columns: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Answers by output name; see PackageModel.

        Raises:
            SchemaMismatchError: a field does not fit, or the model itself refuses a value.
        """
        self._signature.bind(columns)
        try:
            rows = self._matrix(frame_of(self._signature, columns), enable_categorical=True, nthread=self._threads)
            said = self._booster.predict(rows, iteration_range=self._rounds)
        except ValueError as error:
            raise SchemaMismatchError(f"the model refuses these rows: {str(error).splitlines()[0]}") from None
        return labelled(np.asarray(said, dtype=np.float64), self._signature)


def write_xgboost(model: Any, signature: Signature) -> bytes:
    """A fitted estimator's form.

    Raises:
        ConversionError: its booster, objective or categories have no form that can be looked through.
    """
    if model.booster not in (None, "gbtree"):
        raise ConversionError(f"XGBoost's {model.booster} has no safe native form", next_step="use its gbtree")
    if model.missing == model.missing:
        raise ConversionError(
            f"{type(model).__name__} takes {model.missing} for missing, which its form does not say",
            next_step="leave missing values empty (NaN)",
        )
    data = bytes(model.get_booster().save_raw("json"))
    try:
        return checked_form(data, [field.name for field in signature.inputs], len(signature.classes))
    except UnreadableFileError as error:
        raise ConversionError(f"{type(model).__name__} has no safe native form: {error.what}") from None


def open_xgboost(files: Mapping[str, bytes], signature: Signature, *, threads: int = 1) -> XgboostModel:
    """Loads what `write_xgboost` wrote.

    Raises:
        UnreadableFileError: see XgboostModel; or there is no such file.
    """
    if FILE not in files:
        raise UnreadableFileError(f"the package has no {FILE}")
    return XgboostModel(files[FILE], signature, threads=threads)
