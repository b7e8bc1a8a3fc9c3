"""The long tail by skl2onnx: networks, support vectors, naive Bayes. Its form is float32, so parity decides.

Its double form is refused by ONNX Runtime (1.31) and its silence proves nothing; see docs/decisions/0005.
"""

from __future__ import annotations

import warnings
from typing import Any

import onnx
from onnx import TensorProto

from tidewheel.core.errors import ConversionError
from tidewheel.model_package.boundary_rows import text_values
from tidewheel.model_package.conversion import Conversion, answered_when_missing, with_missing
from tidewheel.model_package.onnx_answers import give_answers
from tidewheel.model_package.onnx_graph import ML_DOMAIN, Graph
from tidewheel.model_package.original_model import OriginalModel
from tidewheel.model_package.signature import Signature, infer_signature

_OPSETS = {"": 21, ML_DOMAIN: 3}
_PREFIX = "skl2onnx/"
_MATRIX = "features of the model"


class Skl2onnxConverter:
    """Takes scikit-learn's models as skl2onnx converts them, between casts from and to double."""

    name = "skl2onnx"

    def convert(self, original: OriginalModel) -> Conversion | None:
        """See Converter."""
        if not type(original.model).__module__.startswith("sklearn."):
            return None
        signature = infer_signature(original.rows, *original.task())
        signature = with_missing(signature, answered_when_missing(original, signature))
        graph = Graph(signature)
        inputs = {
            field.name: field.name if field.kind == "string" else graph.cast(field.name, TensorProto.FLOAT)
            for field in signature.inputs
        }
        if not _takes_columns(original.model, signature):
            inputs = {_MATRIX: graph.join(list(inputs.values()))}
        inner = onnx.compose.add_prefix(_converted(original.model, signature, list(inputs)), _PREFIX)
        # By place: it writes spaces in names as something else.
        graph.embed(inner, dict(zip((one.name for one in inner.graph.input), inputs.values(), strict=True)))
        outputs = [one.name for one in inner.graph.output]
        scores = graph.cast(outputs[-1], TensorProto.DOUBLE)
        if signature.task == "binary":
            scores = graph.add("Gather", scores, graph.constant(1), axis=1)
        give_answers(graph, scores, "identity" if signature.task == "regression" else "share")
        values = {
            field.name: text_values(field.domain, allows_null=field.allows_null, allows_unknown=False)
            for field in signature.inputs
            if field.kind == "string"
        }
        return Conversion(graph.to_bytes(_OPSETS), signature, values)


def _takes_columns(model: Any, signature: Signature) -> bool:
    """Whether the columns go in one by one, as a column transformer picks them, or as one matrix of numbers."""
    first = model.steps[0][1] if type(model).__name__ == "Pipeline" else model
    is_text = any(field.kind == "string" for field in signature.inputs)
    return is_text or type(first).__name__ == "ColumnTransformer"


def _converted(model: Any, signature: Signature, inputs: list[str]) -> Any:
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType

    texts = {field.name for field in signature.inputs if field.kind == "string"}
    width = len(signature.inputs) if inputs == [_MATRIX] else 1
    types = [(name, (StringTensorType if name in texts else FloatTensorType)([None, width])) for name in inputs]
    final = model.steps[-1][1] if type(model).__name__ == "Pipeline" else model
    options = {id(final): {"zipmap": False}} if signature.task != "regression" else {}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return convert_sklearn(model, initial_types=types, options=options, target_opset=_OPSETS)
    except Exception as error:  # it raises what its parts raise
        told = str(error).splitlines()
        raise ConversionError(told[0] if told else type(error).__name__) from None
