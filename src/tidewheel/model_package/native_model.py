"""Answers from the library that trained the model, where no ONNX form is exact. Safe formats only, never pickle."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tidewheel.core.errors import ConversionError, SchemaMismatchError, UnreadableFileError
from tidewheel.model_package.signature import Field, Signature
from tidewheel.model_package.trusted_types import foreign_types


class NativeModel:
    """An estimator with `predict` and, for a classifier, `predict_proba`; or a booster of LightGBM."""

    def __init__(self, estimator: Any, signature: Signature) -> None:
        self._estimator = estimator
        self._signature = signature

    def predict(self, columns: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Answers by output name; see PackageModel.

        Raises:
            SchemaMismatchError: a field does not fit, or the model itself refuses a value.
        """
        self._signature.bind(columns)
        try:
            return answers_of(self._estimator, frame_of(self._signature, columns), self._signature)
        except ValueError as error:  # such as an encoder without a rule for unknown categories
            raise SchemaMismatchError(f"the model refuses these rows: {error}") from None


def answers_of(model: Any, frame: Any, signature: Signature) -> dict[str, np.ndarray]:
    """A model's answers in the form that packages give.

    Raises:
        ConversionError: a classifier that gives no probabilities, or a model that gives several numbers a row.
    """
    is_booster = type(model).__name__ == "Booster"
    if not is_booster and not hasattr(model, "feature_names_in_"):
        frame = frame.to_numpy()  # a model that was shown no names warns about them
    if signature.task == "regression":
        numbers = np.asarray(model.predict(frame), dtype=np.float64)
        if numbers.ndim > 1 and numbers.shape[1] > 1:
            raise ConversionError(
                f"{type(model).__name__} gives {numbers.shape[1]} numbers a row, and a package gives one",
                next_step="train and package a model for each",
            )
        return {"prediction": numbers}
    if not is_booster and not hasattr(model, "predict_proba"):
        raise ConversionError(
            f"{type(model).__name__} gives no probabilities", next_step="wrap it into CalibratedClassifierCV"
        )
    said = np.asarray(model.predict(frame) if is_booster else model.predict_proba(frame), dtype=np.float64)
    return labelled(said[:, 1] if signature.task == "binary" and not is_booster else said, signature)


def labelled(said: np.ndarray, signature: Signature) -> dict[str, np.ndarray]:
    """Predictions, or probabilities with the label that they give: of two classes those of the second, [rows]."""
    if signature.task == "regression":
        return {"prediction": said}
    classes = np.array(signature.classes, dtype=object if isinstance(signature.classes[0], str) else np.int64)
    index = (said > 0.5).astype(int) if signature.task == "binary" else said.argmax(axis=1)
    return {"label": classes[index], "probability": said}


def frame_of(signature: Signature, columns: Mapping[str, Any]) -> Any:
    """Rows as the DataFrame that the model was trained on: categories as categories, null as missing."""
    import pandas as pd

    return pd.DataFrame({field.name: _series(field, columns[field.name]) for field in signature.inputs})


def _series(field: Field, values: Any) -> Any:
    import pandas as pd

    given = [None if value is None or value != value else value for value in values]
    if field.domain:
        known: list[Any] = [_read(field, one) for one in field.domain]
        return pd.Categorical([one if one in known else None for one in given], categories=known)
    if field.kind == "string":
        return pd.Series(given, dtype=pd.Series(["text"]).dtype)
    return pd.Series(np.asarray([np.nan if one is None else one for one in given], dtype=np.float64))


def _read(field: Field, text: str) -> Any:
    return {"integer": int, "float": float}.get(field.kind, str)(text)


def write_native(model: Any) -> bytes:
    """The model as a skops file; other bytes each time, see `to_native` of `package_model` for a deterministic form.

    Raises:
        ConversionError: it holds a type that may not be loaded without running foreign code.
    """
    import skops.io

    try:
        data = bytes(skops.io.dumps(model))
    except Exception as error:  # skops raises what its parts raise
        raise ConversionError(f"{type(model).__name__} has no safe native form: {error}") from None
    foreign = foreign_types(skops.io.get_untrusted_types(data=data))
    if foreign:
        raise ConversionError(
            f"the model holds {', '.join(foreign)}, which cannot be stored safely",
            next_step="use estimators of scikit-learn or LightGBM, or models that convert to ONNX",
        )
    return data


def open_native(files: Mapping[str, bytes], signature: Signature) -> NativeModel:
    """Loads what `write_native` wrote.

    Raises:
        UnreadableFileError: the file is damaged, or holds types that are not allowed.
    """
    import skops.io

    data = files.get("model.skops")
    if data is None:
        raise UnreadableFileError("the package has no model.skops")
    try:
        types = skops.io.get_untrusted_types(data=data)
    except Exception as error:
        raise UnreadableFileError(f"model.skops cannot be read: {error}") from None
    foreign = foreign_types(types)
    if foreign:
        raise UnreadableFileError(f"model.skops would load {foreign[0]}, which is not allowed")
    try:
        estimator = skops.io.loads(data, trusted=types)
    except Exception as error:
        raise UnreadableFileError(f"model.skops cannot be loaded: {error}") from None
    if not hasattr(estimator, "predict"):
        raise UnreadableFileError(f"model.skops holds a {type(estimator).__name__}, which is no model")
    return NativeModel(estimator, signature)
