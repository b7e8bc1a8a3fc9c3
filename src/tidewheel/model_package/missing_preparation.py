"""scikit-learn's imputers of a constant, and columns that say where values are missing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from onnx import TensorProto

from tidewheel.core.errors import ConversionError
from tidewheel.model_package.feature_block import Block, Column, Preparation, numbers
from tidewheel.model_package.onnx_graph import ML_DOMAIN


def is_missing_value(value: Any) -> bool:
    """Whether a learned value or a category stands for a missing one."""
    return value is None or (isinstance(value, float | np.floating) and bool(np.isnan(value)))


def simple_imputer(work: Preparation, model: Any, block: Block) -> Block:
    """The learned value where one is missing; a text keeps its place and says what missing stands for.

    Raises:
        ConversionError: something other than a missing value is replaced.
    """
    _check_marker(model.missing_values)
    kept = [
        place
        for place, value in enumerate(model.statistics_)
        if model.keep_empty_features or not is_missing_value(value)
    ]
    filled = [_filled(work, block, place, model.statistics_[place]) for place in kept]
    result = work.beside([Block(tuple(filled))])
    if model.indicator_ is None:
        return result
    return work.beside([result, missing_indicator(work, model.indicator_, block)])


def missing_indicator(work: Preparation, model: Any, block: Block) -> Block:
    """1 where a value is missing, for the columns that had such in training."""
    _check_marker(model.missing_values)
    flags = [_is_missing(work, block, int(place)) for place in model.features_]
    if not flags:
        return Block(())
    return numbers(work.graph.join(flags), [None] * len(flags))


def _check_marker(marker: Any) -> None:
    if not (marker is None or (isinstance(marker, float) and np.isnan(marker)) or "NA" in str(marker)):
        raise ConversionError(f"missing values written as {marker!r} have no exact form in ONNX here")


def _filled(work: Preparation, block: Block, place: int, value: Any) -> Column:
    column = block.columns[place]
    if column.is_text:
        if not isinstance(value, str):
            raise ConversionError(f"missing texts are replaced by {value!r}")
        return column if column.missing is not None else replace(column, missing=value)
    name, number = work.column(block, place), float(value if not is_missing_value(value) else 0.0)
    work.note(column.origin, number)
    filled = work.graph.add("Where", work.graph.add("IsNaN", name), work.graph.constant(np.array([[number]])), name)
    return replace(column, name=filled)


def _is_missing(work: Preparation, block: Block, place: int) -> str:
    column, name = block.columns[place], work.column(block, place)
    if not column.is_text:
        return work.graph.cast(work.graph.add("IsNaN", name), TensorProto.DOUBLE)
    if column.domain:
        keys, values, default = [*column.domain], [0] * len(column.domain), 1
    else:
        keys, values, default = [""], [1], 0
    found = work.graph.add(
        "LabelEncoder", name, domain=ML_DOMAIN, keys_strings=keys, values_int64s=values, default_int64=default
    )
    return work.graph.cast(found, TensorProto.DOUBLE)
