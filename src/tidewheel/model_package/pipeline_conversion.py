"""Pipelines of scikit-learn, and linear models alone: every step becomes part of one graph in double precision."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd

from tidewheel.core.errors import ConversionError
from tidewheel.model_package.boundary_rows import number_values, text_values
from tidewheel.model_package.conversion import Conversion, answered_when_missing, with_missing
from tidewheel.model_package.feature_block import Block, Preparation
from tidewheel.model_package.forest import Forest
from tidewheel.model_package.forest_conversion import forest_of
from tidewheel.model_package.linear_model import is_linear, linear_scores, read_linear
from tidewheel.model_package.onnx_answers import give_answers
from tidewheel.model_package.onnx_forest import forest_scores
from tidewheel.model_package.onnx_graph import Graph
from tidewheel.model_package.original_model import OriginalModel
from tidewheel.model_package.preparation import prepared, raw_frame
from tidewheel.model_package.signature import Field, infer_signature

_MOST_VALUES = 4_000  # tried per column; a large forest behind a scaler has more thresholds


class PipelineConverter:
    """Writes preparation and model as one graph, which takes raw rows."""

    name = "pipeline"

    def convert(self, original: OriginalModel) -> Conversion | None:
        """See Converter."""
        steps, final = _parts(original.model)
        if final is None:
            return None
        signature = infer_signature(original.rows, *original.task())
        signature = with_missing(signature, answered_when_missing(original, signature))
        work = Preparation(Graph(signature))
        block = raw_frame(signature)
        for step in steps:
            block = prepared(work, step, block)
        forest = _finish(work, block, final, _prepared_sample(steps, original.rows))
        is_single = forest is not None and forest.is_single
        values = {field.name: _values(work, field, is_single) for field in signature.inputs}
        rounding = forest.rounding if forest is not None else 0.0
        return Conversion(work.graph.to_bytes(), signature, values, rounding=rounding)


def _parts(model: Any) -> tuple[list[Any], Any]:
    """The steps before the model, and the model; None for what is neither a pipeline nor linear."""
    if is_linear(model):
        return [], model
    if type(model).__name__ != "Pipeline" or not type(model).__module__.startswith("sklearn."):
        return [], None
    *before, (_, final) = model.steps
    nested, inner = _parts(final)
    return [step for _, step in before] + nested, inner if nested or inner is not None else final


def _prepared_sample(steps: list[Any], rows: pd.DataFrame) -> pd.DataFrame:
    """The sample as the model sees it."""
    value: Any = rows
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        for step in steps:
            if step is not None and not isinstance(step, str):
                value = step.transform(value)
    if isinstance(value, pd.DataFrame):
        return value.set_axis([str(name) for name in value.columns], axis=1)
    value = value.toarray() if hasattr(value, "toarray") else value
    return pd.DataFrame(np.asarray(value), columns=[f"Column_{place}" for place in range(value.shape[1])])


def _finish(work: Preparation, block: Block, final: Any, sample: pd.DataFrame) -> Forest | None:
    """Ends the graph; the forest in it, or None for a linear model."""
    if is_linear(final):
        linear = read_linear(final)
        give_answers(work.graph, linear_scores(work.graph, linear, work.matrix(block)), linear.link)
        return None
    forest = forest_of(final, sample)
    if forest is None:
        raise ConversionError(f"{type(final).__name__} has no exact form in ONNX here")
    if len(block.columns) != sample.shape[1]:
        raise ConversionError(f"the steps give {sample.shape[1]} columns, their ONNX form {len(block.columns)}")
    place = {str(name): number for number, name in enumerate(sample.columns)}
    origins = [block.columns[place[name]].origin for name in forest.columns]
    for split in forest.splits():
        if split.threshold is not None:
            work.note(origins[split.feature], split.threshold)
    for name, known in forest.texts().items():
        work.tried.setdefault(block.columns[place[name]].name, set()).update(known)
    columns = [work.column(block, place[name]) for name in forest.columns]
    give_answers(work.graph, forest_scores(work.graph, forest, columns), forest.link)
    return forest


def _values(work: Preparation, field: Field, is_single: bool) -> list[Any]:
    tried = work.tried.get(field.name, set())
    is_open = (field.name, "unknown") not in work.refused
    if field.kind == "string":
        known = sorted({*field.domain, *(one for one in tried if isinstance(one, str) and one)})
        allows_null = field.allows_null and (field.name, "missing") not in work.refused
        return text_values(known, allows_null=allows_null, allows_unknown=is_open)
    if not is_open:  # an encoder of numbers that refuses what it does not know
        tried = {one for one in tried if isinstance(one, float)}
        numbers: list[Any] = [{"integer": int, "boolean": bool}.get(field.kind, float)(one) for one in sorted(tried)]
        return numbers
    values = number_values(field, sorted(float(one) for one in tried), is_single)
    if len(values) > _MOST_VALUES:
        chosen = np.random.default_rng(0).choice(np.arange(1, len(values)), _MOST_VALUES - 1, replace=False)
        values = [values[0], *(values[index] for index in sorted(chosen))]
    return values
