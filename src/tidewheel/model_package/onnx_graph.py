"""An ONNX graph in the making: nodes and constants with names of their own, then the file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tidewheel.core.errors import ConversionError
from tidewheel.model_package.signature import FieldKind, Signature

ML_DOMAIN = "ai.onnx.ml"
OPSETS = {"": 21, ML_DOMAIN: 5}
_TYPES = {
    "float": TensorProto.DOUBLE,
    "integer": TensorProto.INT64,
    "boolean": TensorProto.DOUBLE,
    "string": TensorProto.STRING,
}


class Graph:
    """Collects nodes; every intermediate value gets a name that no column of the signature has."""

    def __init__(self, signature: Signature) -> None:
        self.signature = signature
        self._taken = {field.name for field in signature.inputs} | {field.name for field in signature.outputs}
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._known: dict[tuple[str, tuple[int, ...], bytes], str] = {}

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Adds a node with one output and gives the output's name."""
        name = self._fresh(operator.lower())
        self._nodes.append(helper.make_node(operator, list(inputs), [name], **attributes))
        return name

    def constant(self, values: Any) -> str:
        """A constant; equal ones are stored once."""
        array = np.asarray(values)
        if array.dtype.kind == "U":
            array = array.astype(object)
        is_text = array.dtype.kind == "O"
        content = repr(array.tolist()).encode() if is_text else array.tobytes()
        key = (str(array.dtype), array.shape, content)
        if key not in self._known:
            self._known[key] = self._fresh("constant")
            self._constants.append(numpy_helper.from_array(array, self._known[key]))
        return self._known[key]

    def cast(self, name: str, kind: int) -> str:
        """A cast to a type of `TensorProto`."""
        return self.add("Cast", name, to=kind)

    def join(self, names: Sequence[str]) -> str:
        """Columns side by side."""
        return names[0] if len(names) == 1 else self.add("Concat", *names, axis=1)

    def give(self, output: str, name: str) -> None:
        """Makes a value the output of the signature that has this name."""
        self._nodes.append(helper.make_node("Identity", [name], [output]))

    def embed(self, model: Any, inputs: Mapping[str, str]) -> None:
        """Takes over another model's nodes, whose names must not be those of this graph.

        Args:
            inputs: by name of the model's inputs, what they are here.
        """
        self._nodes += [helper.make_node("Identity", [value], [name]) for name, value in inputs.items()]
        self._nodes += list(model.graph.node)
        self._constants += list(model.graph.initializer)

    def to_bytes(self, opsets: Mapping[str, int] = OPSETS) -> bytes:
        """The model file: one input of shape [n, 1] per field, outputs as the signature names them.

        Args:
            opsets: version of each operator set.

        Raises:
            ConversionError: the columns' names are not possible in ONNX.
        """
        given, answers = self.signature.inputs, self.signature.outputs
        graph = helper.make_graph(
            self._nodes,
            "tidewheel",
            [_value(one.name, "string" if one.kind == "string" else "float", [None, 1]) for one in given],
            [_value(one.name, one.kind, [None] if one.width == 1 else [None, one.width]) for one in answers],
            self._constants,
        )
        model = helper.make_model(
            graph,
            producer_name="tidewheel",
            opset_imports=[helper.make_opsetid(domain, version) for domain, version in opsets.items()],
            ir_version=10,
        )
        try:
            onnx.checker.check_model(model)
        except onnx.checker.ValidationError as error:  # such as a column that is called like an output
            raise ConversionError(f"the ONNX form is not valid: {str(error).splitlines()[0]}") from None
        return bytes(model.SerializeToString(deterministic=True))

    def _fresh(self, stem: str) -> str:
        name = f"_{stem}_{len(self._taken)}"
        while name in self._taken:
            name += "_"
        self._taken.add(name)
        return name


def _value(name: str, kind: FieldKind, shape: list[int | None]) -> Any:
    return helper.make_tensor_value_info(name, _TYPES[kind], shape)
