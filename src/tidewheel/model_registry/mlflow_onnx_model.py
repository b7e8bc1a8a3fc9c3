"""A package's ONNX file in the form that MLflow's own ONNX flavour feeds: one flat column per feature."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tidewheel.model_package import Package

_TYPES = {"integer": TensorProto.INT64, "boolean": TensorProto.BOOL, "string": TensorProto.STRING}


def flat_model(package: Package) -> Any:
    """The graph with inputs of shape [n], integers and booleans as such; what it computes is unchanged.

    MLflow hands each column of a DataFrame to the input of its name as it is, while the package's graph takes doubles
    of shape [n, 1]. Text columns must be of dtype object: MLflow 3.17 hands over pandas' own text arrays unconverted.
    """
    model = onnx.load_from_string(package.files["model.onnx"])
    graph, kinds = model.graph, {field.name: field for field in package.signature.inputs}
    renamed = {one.name: f"{one.name}__column" for one in graph.input}
    for node in graph.node:
        for index, name in enumerate(node.input):
            node.input[index] = renamed.get(name, name)
    nodes, inputs = [], []
    for name, column in renamed.items():
        field = kinds[name]
        # A missing integer is NaN, which only a double can be.
        kind = TensorProto.DOUBLE if field.allows_null and field.kind != "string" else _TYPES.get(field.kind)
        inputs.append(helper.make_tensor_value_info(name, kind or TensorProto.DOUBLE, [None]))
        nodes.append(helper.make_node("Reshape", [name, "__as_column"], [f"{column}__typed"]))
        target = TensorProto.STRING if field.kind == "string" else TensorProto.DOUBLE
        nodes.append(helper.make_node("Cast", [f"{column}__typed"], [column], to=target))
    graph.initializer.append(numpy_helper.from_array(np.array([-1, 1]), "__as_column"))
    kept = [*nodes, *graph.node]
    del graph.node[:], graph.input[:]
    graph.node.extend(kept)
    graph.input.extend(inputs)
    onnx.checker.check_model(model)
    return model
