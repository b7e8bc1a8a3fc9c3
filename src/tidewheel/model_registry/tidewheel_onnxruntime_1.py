"""What MLflow clients run for a mirrored ONNX package. It travels inside the MLflow model and needs no Tidewheel.

MLflow 3.17's own ONNX wrapper hands pandas' text arrays to ONNX Runtime as they are, which refuses them, and flattens
outputs of several numbers per row. The `1` is this code's version: a client that loads models of two versions of it
in one process imports both.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import pandas as pd


class OnnxPackage:
    """Answers frames, or mappings of columns, whatever type their columns have that holds the values."""

    def __init__(self, path: str) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def get_raw_model(self) -> Any:
        """The session, as MLflow's own flavour gives it."""
        return self._session

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """One row of outputs for each row; an output of several numbers is a list.

        Raises:
            KeyError: a column is missing.
            ValueError: a column's values are not of its type.
        """
        feed = {one.name: _column(one.type, data[one.name]) for one in self._session.get_inputs()}
        names = [one.name for one in self._session.get_outputs()]
        answers = dict(zip(names, self._session.run(names, feed), strict=True))
        index = data.index if isinstance(data, pd.DataFrame) else None
        return pd.DataFrame({name: _answer(np.asarray(one)) for name, one in answers.items()}, index=index)


def _column(kind: str, values: Any) -> np.ndarray:
    if kind == "tensor(string)":
        objects = np.asarray(pd.Series(values).astype(object), dtype=object)
        return np.array(["" if pd.isna(one) else str(one) for one in objects], dtype=object)
    if kind == "tensor(double)":
        return np.asarray(pd.Series(values).astype("float64"), dtype=np.float64)
    return np.asarray(values, dtype=np.bool_ if kind == "tensor(bool)" else np.int64)


def _answer(values: np.ndarray) -> Any:
    flat = values.reshape(len(values), -1)
    return flat[:, 0] if flat.shape[1] == 1 and values.ndim == 1 else list(flat.tolist())


def _load_pyfunc(path: str) -> OnnxPackage:
    """MLflow's entry."""
    return OnnxPackage(path)
