"""scikit-learn's transformers of numbers as ONNX, in double precision and in the order of its own operations.

A scaler that multiplies by the inverse instead of dividing moves rows across the splits behind it, so that is not done.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import TensorProto

from tidewheel.core.errors import ConversionError
from tidewheel.model_package.feature_block import Block, Origin, Preparation, moved, numbers

_FUNCTIONS = {
    "absolute": "Abs",
    "cos": "Cos",
    "exp": "Exp",
    "log": "Log",
    "sin": "Sin",
    "sqrt": "Sqrt",
    "tanh": "Tanh",
}


def _origins(block: Block) -> list[Origin | None]:
    return [column.origin for column in block.columns]


def _applied(work: Preparation, block: Block, steps: list[tuple[str, Any]]) -> Block:
    """Each operator with a row of numbers, one per column; None leaves a step out."""
    value, origins, width = work.matrix(block), _origins(block), len(block.columns)
    one, zero = np.ones(width), np.zeros(width)
    for operator, given in steps:
        if given is None:
            continue
        row = np.broadcast_to(np.asarray(given, dtype=np.float64), (width,))
        value = work.graph.add(operator, value, work.graph.constant(row.reshape(1, -1).copy()))
        if operator == "Sub":
            origins = moved(origins, one, row)
        elif operator == "Add":
            origins = moved(origins, one, -row)
        else:
            divisor = row if operator == "Div" else 1 / np.where(row == 0, 1, row)
            origins = moved(origins, divisor, zero)
    for origin in origins:  # where the scaled value is nothing or one unit
        work.note(origin, 0.0, 1.0, -1.0)
    return numbers(value, origins)


def standard_scaler(work: Preparation, model: Any, block: Block) -> Block:
    """`(x - mean) / scale`."""
    mean = model.mean_ if model.with_mean else None
    return _applied(work, block, [("Sub", mean), ("Div", model.scale_)])  # scale_ is None where it was not asked for


def robust_scaler(work: Preparation, model: Any, block: Block) -> Block:
    """`(x - center) / scale`."""
    center, scale = (model.center_ if model.with_centering else None), (model.scale_ if model.with_scaling else None)
    return _applied(work, block, [("Sub", center), ("Div", scale)])


def max_abs_scaler(work: Preparation, model: Any, block: Block) -> Block:
    """`x / scale`."""
    return _applied(work, block, [("Div", model.scale_)])


def min_max_scaler(work: Preparation, model: Any, block: Block) -> Block:
    """`x * scale + min`, cut to the range where that was asked for."""
    scaled = _applied(work, block, [("Mul", model.scale_), ("Add", model.min_)])
    low, high = (float(one) for one in model.feature_range)
    for column in scaled.columns:
        work.note(column.origin, low, high)
    if not model.clip:
        return scaled
    bounds = (work.graph.constant(np.array(one)) for one in (low, high))
    return numbers(work.graph.add("Clip", scaled.matrix, *bounds), _origins(scaled))


def binarizer(work: Preparation, model: Any, block: Block) -> Block:
    """1 above the threshold."""
    for origin in _origins(block):
        work.note(origin, float(model.threshold))
    limit = work.graph.constant(np.array(float(model.threshold)))
    above = work.graph.add("Greater", work.matrix(block), limit)
    return numbers(work.graph.cast(above, TensorProto.DOUBLE), [None] * len(block.columns))


def normalizer(work: Preparation, model: Any, block: Block) -> Block:
    """Each row by its norm; a row of nothing but rounding errors stays."""
    value = work.matrix(block)
    if model.norm == "max":
        norm = work.graph.add("ReduceMax", work.graph.add("Abs", value), _axis(work), keepdims=1)
    elif model.norm == "l1":
        norm = work.graph.add("ReduceSum", work.graph.add("Abs", value), _axis(work), keepdims=1)
    else:  # not ReduceL2, which is another sum for the tiniest numbers
        squares = work.graph.add("ReduceSum", work.graph.add("Mul", value, value), _axis(work), keepdims=1)
        norm = work.graph.add("Sqrt", squares)
    is_zero = work.graph.add("Less", norm, work.graph.constant(np.array([[10 * np.finfo(np.float64).eps]])))
    safe = work.graph.add("Where", is_zero, work.graph.constant(np.array([[1.0]])), norm)
    return numbers(work.graph.add("Div", value, safe), [None] * len(block.columns))


def _axis(work: Preparation) -> str:
    return work.graph.constant(np.array([1]))


def polynomial_features(work: Preparation, model: Any, block: Block) -> Block:
    """Products of columns: each is made of as many picked columns as the degree, and the rest of them are ones."""
    width, graph, value = len(block.columns), work.graph, work.matrix(block)
    is_nan = graph.add("IsNaN", graph.add("Gather", value, graph.constant(np.array([0])), axis=1))
    ones = graph.cast(graph.add("Or", is_nan, graph.add("Not", is_nan)), TensorProto.DOUBLE)
    padded = graph.add("Concat", value, ones, axis=1)
    picks = [[place for place, power in enumerate(row) for _ in range(power)] for row in model.powers_]
    product = ""
    for turn in range(max(1, *map(len, picks))):
        places = np.array([row[turn] if turn < len(row) else width for row in picks])
        factor = graph.add("Gather", padded, graph.constant(places), axis=1)
        product = graph.add("Mul", product, factor) if product else factor
    return numbers(product, [block.columns[row[0]].origin if len(row) == 1 else None for row in picks])


def k_bins_discretizer(work: Preparation, model: Any, block: Block) -> Block:
    """The number of inner edges that are not above the value, or that as ones and zeros."""
    graph, columns, origins = work.graph, [], []
    for place, edges in enumerate(model.bin_edges_):
        inner = np.asarray(edges, dtype=np.float64)[1:-1].reshape(1, -1)
        work.note(block.columns[place].origin, *inner.ravel())
        if not inner.size:
            raise ConversionError("a column with a single bin has no exact form in ONNX here")
        reached = graph.add("GreaterOrEqual", work.column(block, place), graph.constant(inner))
        count = graph.add("ReduceSum", graph.cast(reached, TensorProto.DOUBLE), _axis(work), keepdims=1)
        if model.encode != "ordinal":
            is_bin = graph.add("Equal", count, graph.constant(np.arange(inner.size + 1.0).reshape(1, -1)))
            count = graph.cast(is_bin, TensorProto.DOUBLE)
        columns.append(count)
        origins += [None] * (1 if model.encode == "ordinal" else inner.size + 1)
    return numbers(graph.join(columns), origins)


def function_transformer(work: Preparation, model: Any, block: Block) -> Block:
    """Nothing, or one of numpy's functions of a number."""
    function = model.func
    if function is None:
        return block
    name = getattr(function, "__name__", "")
    if not isinstance(function, np.ufunc) or model.kw_args:
        raise ConversionError(f"the function {name!r} has no exact form in ONNX here")
    graph, value = work.graph, work.matrix(block)
    one = graph.constant(np.array(1.0))
    if name in _FUNCTIONS:
        result = graph.add(_FUNCTIONS[name], value)
    elif name == "log1p":
        result = graph.add("Log", graph.add("Add", value, one))
    elif name == "expm1":
        result = graph.add("Sub", graph.add("Exp", value), one)
    elif name == "square":
        result = graph.add("Mul", value, value)
    else:
        raise ConversionError(f"the function {name!r} has no exact form in ONNX here")
    return numbers(result, [None] * len(block.columns))


def projection(work: Preparation, model: Any, block: Block) -> Block:
    """Principal components and the like: centred, turned, and scaled where they are whitened."""
    graph, value = work.graph, work.matrix(block)
    if getattr(model, "mean_", None) is not None:
        value = graph.add("Sub", value, graph.constant(np.asarray(model.mean_, dtype=np.float64).reshape(1, -1)))
    components = np.asarray(model.components_, dtype=np.float64)
    value = graph.add("MatMul", value, graph.constant(components.T.copy()))
    if getattr(model, "whiten", False):
        scale = np.sqrt(np.asarray(model.explained_variance_, dtype=np.float64))
        value = graph.add("Div", value, graph.constant(scale.reshape(1, -1)))
    return numbers(value, [None] * len(components))
