"""Answers from the library that trained the model, where no ONNX form is exact. Safe formats only, never pickle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tidewheel.core.errors import ConversionError, UnreadableFileError
from tidewheel.model_package.signature import Field, Signature

TRUSTED = ("sklearn.", "numpy.", "scipy.", "builtins.", "lightgbm.", "collections.")
"""Packages whose types skops may build; a type of any other refuses the file."""


class NativeModel:
    """An estimator with `predict` and, for a classifier, `predict_proba`."""

    def __init__(self, estimator: Any, signature: Signature) -> None:
        self._estimator = estimator
        self._signature = signature

    def predict(self, columns: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Answers by output name; see PackageModel."""
        self._signature.bind(columns)
        return answers_of(self._estimator, frame_of(self._signature, columns), self._signature)


def answers_of(estimator: Any, frame: Any, signature: Signature) -> dict[str, np.ndarray]:
    """An estimator's answers in the form that packages give."""
    if signature.task == "regression":
        return {"prediction": np.asarray(estimator.predict(frame), dtype=np.float64)}
    probability = np.asarray(estimator.predict_proba(frame), dtype=np.float64)
    classes = np.array(signature.classes, dtype=object if isinstance(signature.classes[0], str) else np.int64)
    if signature.task == "binary":
        return {"label": classes[(probability[:, 1] > 0.5).astype(int)], "probability": probability[:, 1]}
    return {"label": classes[probability.argmax(axis=1)], "probability": probability}


def frame_of(signature: Signature, columns: Mapping[str, Any]) -> Any:
    """Rows as the DataFrame that the model was trained on: categories as categories, null as missing."""
    import pandas as pd

    return pd.DataFrame({field.name: _series(field, columns[field.name]) for field in signature.inputs})


def _series(field: Field, values: Sequence[Any]) -> Any:
    import pandas as pd

    if field.kind != "string":
        return pd.Series(np.asarray([np.nan if value is None else value for value in values], dtype=np.float64))
    texts = [value if isinstance(value, str) and value != "" else None for value in values]
    return pd.Categorical(texts, categories=list(field.domain)) if field.domain else pd.Series(texts, dtype="object")


def write_native(model: Any) -> bytes:
    """The model as a skops file; other bytes each time, see `to_native` of `package_model` for a deterministic form.

    Raises:
        ConversionError: it holds a type that may not be loaded without running foreign code.
    """
    import skops.io

    data = skops.io.dumps(model)
    foreign = [name for name in skops.io.get_untrusted_types(data=data) if not name.startswith(TRUSTED)]
    if foreign:
        raise ConversionError(
            f"the model holds {', '.join(sorted(foreign))}, which cannot be stored safely",
            next_step="use estimators of scikit-learn or LightGBM, or models that convert to ONNX",
        )
    return bytes(data)


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
    foreign = [name for name in types if not name.startswith(TRUSTED)]
    if foreign:
        raise UnreadableFileError(f"model.skops would load {foreign[0]}, which is not allowed")
    return NativeModel(skops.io.loads(data, trusted=types), signature)
