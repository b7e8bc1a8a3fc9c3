"""The trials of a search as one Arrow table: the artifact from which pages and MLflow's child runs are written."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from tidewheel.steps.search_space import Choices, Dimension, Question, Space
from tidewheel.steps.trial import TrialRecord

_TYPES = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}


def trials_table(
    space: Space, asked: Sequence[Question], seeds: Sequence[int], records: Sequence[TrialRecord]
) -> pa.Table:
    """One row for each trial, in the order of their numbers; `TrialRow` reads one. Nothing in it depends on time.

    Columns: `number`, `state`, `algorithm`, `value` (of a pruned trial the last that it had), `folds`, `rounds`,
    `seed`, `reason`, a column `ALGORITHM.PARAMETER` for each parameter and `metric.NAME` for each number of the score;
    null where a trial has none.
    """
    columns: dict[str, pa.Array] = {
        "number": pa.array([one.number for one in asked], pa.int32()),
        "state": pa.array([one.state for one in records], pa.string()),
        "algorithm": pa.array([one.algorithm for one in asked], pa.string()),
        "value": pa.array([one.value for one in records], pa.float64()),
        "folds": pa.array([list(one.folds) for one in records], pa.list_(pa.float64())),
        "rounds": pa.array([one.rounds for one in records], pa.int32()),
        "seed": pa.array(seeds, pa.int64()),
        "reason": pa.array([one.reason or None for one in records], pa.string()),
    }
    for algorithm, parameters in space.items():
        for name, dimension in parameters.items():
            values = [one.parameters[name] if one.algorithm == algorithm else None for one in asked]
            columns[f"{algorithm}.{name}"] = _column(values, dimension)
    for name in sorted({name for one in records for name in one.metrics}):
        columns[f"metric.{name}"] = pa.array([one.metrics.get(name) for one in records], pa.float64())
    return pa.table(columns)


def _column(values: Sequence[Any], dimension: Dimension) -> pa.Array:
    """Choices of one type keep it; mixed ones are JSON text."""
    if not isinstance(dimension, Choices):
        return pa.array(values, pa.int64() if dimension.is_whole else pa.float64())
    kinds = {type(one) for one in dimension.values if one is not None}
    if len(kinds) == 1:
        return pa.array(values, _TYPES[kinds.pop()])
    return pa.array([None if one is None else json.dumps(one) for one in values], pa.string())
