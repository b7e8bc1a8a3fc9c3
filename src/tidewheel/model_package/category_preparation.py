"""scikit-learn's encoders of categories as ONNX: the answers are looked up, and the encoder itself was asked for them.

Each known category, a missing one and an unknown one is put to the fitted encoder; what it says becomes a row of a
table. So dropped, rare and target-encoded categories need no rule of their own. What the encoder refuses has no row,
and the graph fails on it as the encoder does.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from onnx import TensorProto

from tidewheel.core.errors import ConversionError
from tidewheel.model_package.boundary_rows import UNKNOWN
from tidewheel.model_package.feature_block import Block, Column, Preparation, numbers
from tidewheel.model_package.missing_preparation import is_missing_value
from tidewheel.model_package.onnx_graph import ML_DOMAIN

_UNKNOWN_NUMBER = -987654321.5
_LARGEST_TABLE = 1 << 22


@dataclass(frozen=True)
class _Rows:
    """What an encoder says to one column.

    Attributes:
        known: the categories, text or numbers; missing ones are not among them.
        table: a row for each of them, then perhaps one for missing and one for unknown.
        missing, unknown: their rows; beyond the table where the encoder refuses them.
    """

    known: tuple[Any, ...]
    table: np.ndarray
    missing: int
    unknown: int


def encoder(work: Preparation, model: Any, block: Block) -> Block:
    """OneHotEncoder, OrdinalEncoder or TargetEncoder.

    Raises:
        ConversionError: the categories have no exact form.
    """
    parts, width = [], 0
    for place, column in enumerate(block.columns):
        rows = _asked(model, place)
        if column.is_text and any(not isinstance(one, str) for one in rows.known):
            raise ConversionError(f"categories of {column.name!r} are no text")
        index = _text_index(work, column, rows) if column.is_text else _number_index(work, block, place, rows)
        raw = column.name if column.is_text else column.origin.column if column.origin else ""
        work.tried.setdefault(raw, set()).update(rows.known)
        work.refused.update((raw, kind) for kind in ("missing", "unknown") if getattr(rows, kind) >= len(rows.table))
        parts.append(_looked_up(work, index, rows.table))
        width += rows.table.shape[1]
    return numbers(work.graph.join(parts), [None] * width)


def _asked(model: Any, place: int) -> _Rows:
    """Puts every category to the encoder, with the other columns at their first one."""
    categories = model.categories_
    known = [one for one in categories[place] if not is_missing_value(one)]
    columns = _slice(model, place)
    table = [_answer(model, categories, place, known)[:, columns]] if known else []
    size, places = len(known), []
    for probe in (_missing_of(categories[place]), UNKNOWN if _is_text(known) else _UNKNOWN_NUMBER):
        try:
            table.append(_answer(model, categories, place, [probe])[:, columns])
            places.append(size)
            size += 1
        except ValueError:  # found unknown categories
            places.append(1 << 40)
    if not table:
        raise ConversionError("an encoder knows no category of a column")
    rows = np.concatenate(table)
    return _Rows(tuple(_plain(one) for one in known), rows, *places)


def _answer(model: Any, categories: Sequence[Any], place: int, values: list[Any]) -> np.ndarray:
    columns = {
        index: pd.Series(
            values if index == place else [known[0]] * len(values), dtype=object if _is_text(known) else np.float64
        )
        for index, known in enumerate(categories)
    }
    frame = pd.DataFrame(columns)
    if hasattr(model, "feature_names_in_"):
        frame.columns = model.feature_names_in_
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the unknown one is unknown
        said = model.transform(frame if hasattr(model, "feature_names_in_") else frame.to_numpy())
    return np.asarray(said.toarray() if hasattr(said, "toarray") else said, dtype=np.float64)


def _slice(model: Any, place: int) -> slice:
    """The columns of the encoder's output that belong to a column of its input."""
    widths = getattr(model, "_n_features_outs", None)
    if widths is None:
        width = len(model.classes_) if getattr(model, "target_type_", "") == "multiclass" else 1
        widths = [width] * len(model.categories_)
    start = int(sum(widths[:place]))
    return slice(start, start + int(widths[place]))


def _missing_of(known: Sequence[Any]) -> Any:
    found = [one for one in known if is_missing_value(one)]
    if len(found) > 1:
        raise ConversionError("two kinds of missing values are categories of one column")
    return found[0] if found else float("nan")


def _is_text(known: Sequence[Any]) -> bool:
    return any(isinstance(one, str) for one in known) or all(map(is_missing_value, known))


def _plain(value: Any) -> str | float:
    return value if isinstance(value, str) else float(value)


def _text_index(work: Preparation, column: Column, rows: _Rows) -> str:
    """The row of the table for each text; of a raw category column, what is not in its domain is missing."""
    places = {text: row for row, text in enumerate(rows.known)}
    if column.missing is not None:
        missing = places.get(column.missing, rows.unknown)
    else:
        missing = rows.missing
    outside = {text: rows.unknown for text in column.domain if text not in places}
    keys = {"": missing} | outside | places
    return work.graph.add(
        "LabelEncoder",
        column.name,
        domain=ML_DOMAIN,
        keys_strings=list(keys),
        values_int64s=list(keys.values()),
        default_int64=missing if column.domain else rows.unknown,
    )


def _number_index(work: Preparation, block: Block, place: int, rows: _Rows) -> str:
    graph, value = work.graph, work.column(block, place)
    if any(isinstance(one, str) for one in rows.known) or not rows.known:
        raise ConversionError("categories of a column of numbers are text")
    equal = graph.cast(graph.add("Equal", value, graph.constant(np.array([rows.known]))), TensorProto.INT32)
    axis = graph.constant(np.array([1]))
    first = graph.add("ArgMax", equal, axis=1, keepdims=1)
    is_known = graph.cast(graph.add("ReduceMax", equal, axis, keepdims=1), TensorProto.BOOL)
    other = graph.add(
        "Where",
        graph.add("IsNaN", value),
        graph.constant(np.array([[rows.missing]])),
        graph.constant(np.array([[rows.unknown]])),
    )
    return graph.add("Where", is_known, first, other)


def _looked_up(work: Preparation, index: str, table: np.ndarray) -> str:
    graph, width = work.graph, table.shape[1]
    is_one_hot = ((table == 0) | (table == 1)).all() and (table.sum(axis=1) <= 1).all() and width > 1
    if is_one_hot:  # the place of the one, which is a small table however many categories there are
        ones = np.where(table.any(axis=1), table.argmax(axis=1), -1).astype(np.int64)
        position = graph.add("Gather", graph.constant(ones), index)
        return graph.cast(
            graph.add("Equal", position, graph.constant(np.arange(width).reshape(1, -1))), TensorProto.DOUBLE
        )
    if table.size > _LARGEST_TABLE:
        raise ConversionError(f"a table of {table.size:,} numbers for one encoder is too large")
    flat = graph.add("Reshape", index, graph.constant(np.array([-1])))
    return graph.add("Gather", graph.constant(table), flat, axis=0)
