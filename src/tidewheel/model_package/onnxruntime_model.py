"""Answers from ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnxruntime
from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidArgument, RuntimeException

from tidewheel.core.errors import SchemaMismatchError, UnreadableFileError
from tidewheel.model_package import onnxruntime_memory
from tidewheel.model_package.onnx_inspection import inspect_onnx
from tidewheel.model_package.signature import Signature

_REFUSALS = (InvalidArgument, Fail, RuntimeException)

onnxruntime.disable_telemetry_events()


class OnnxModel:
    """A session on a package's `model.onnx`; `predict` may be called from several threads.

    Args:
        data: the model file.
        signature: checks rows before the session sees them.
        threads: that one call may use.

    Raises:
        UnreadableFileError: the file is no ONNX model, not of this signature, or reaches outside of itself.
    """

    def __init__(self, data: bytes, signature: Signature, *, threads: int = 1) -> None:
        inspect_onnx(data)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session = onnxruntime_memory.bounded_session(data, options)
        except Exception as error:  # its own exceptions have no base
            raise UnreadableFileError(f"model.onnx cannot be loaded: {error}") from None
        given = {entry.name for entry in self._session.get_inputs()}
        if given != {field.name for field in signature.inputs}:
            raise UnreadableFileError("model.onnx does not take the fields of the signature")
        self._signature = signature
        self._outputs = [output.name for output in self._session.get_outputs()]
        if set(self._outputs) != {field.name for field in signature.outputs}:
            raise UnreadableFileError("model.onnx does not give the outputs of the signature")

    def predict(self, columns: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Answers by output name; see PackageModel.

        Raises:
            SchemaMismatchError: a field does not fit, or the graph itself refuses a value, such as an unknown category
                of an encoder without a rule for it, or asks for more memory than a model may hold.
        """
        return self.answer(self._signature.bind(columns))

    def answer(self, bound: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Answers by output name for columns of shape [n, 1] that fit the signature: doubles, or texts as objects.

        Raises:
            SchemaMismatchError: the graph itself refuses a value, or asks for more memory than a model may hold.
        """
        try:
            answers = self._session.run(self._outputs, dict(bound))
        except _REFUSALS as error:
            if onnxruntime_memory.is_about_memory(error):
                raise SchemaMismatchError(
                    f"the model asks for more than {onnxruntime_memory.MEMORY_BYTES / 1e9:.1f} GB to answer these rows",
                    next_step="send fewer rows at once; do not use a model that asks for so much to answer one row",
                ) from error
            raise SchemaMismatchError(
                "the model refuses these rows: a category is unknown, or missing where none may be",
                next_step="send categories that the model was trained on",
            ) from error
        return dict(zip(self._outputs, answers, strict=True))
