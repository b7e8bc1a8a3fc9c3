"""Rows where a conversion would go wrong first: beside every threshold, in every category, with values missing."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tidewheel.model_package.forest import Forest
from tidewheel.model_package.signature import Field, Signature

MAXIMUM_ROWS = 20_000


def boundary_rows(forest: Forest, signature: Signature, sample: pd.DataFrame, *, seed: int = 0) -> pd.DataFrame:
    """Sample rows with one or more values moved to a boundary.

    For each threshold: itself and its neighbours in float64 and float32. For each category column: every category, an
    unknown one and a missing one. Each such value is put into a row of the sample, most rows get several.

    Args:
        forest: whose boundaries.
        signature: which fields are integers, and which may be missing.
        sample: real rows to start from.
        seed: of the choice of rows.
    """
    generator = np.random.default_rng(seed)
    fields = {field.name: field for field in signature.inputs}
    values = {name: _values(forest, index, fields[name]) for index, name in enumerate(forest.columns)}
    count = min(MAXIMUM_ROWS, max((len(one) for one in values.values()), default=0) * 4)
    if not count or not len(sample):
        return sample.iloc[:0]
    rows = sample.iloc[generator.integers(0, len(sample), count)].reset_index(drop=True).copy()
    for name, candidates in values.items():
        if not candidates:
            continue
        chosen = np.flatnonzero(generator.random(count) < 0.5)
        picked = [candidates[index % len(candidates)] for index in generator.permutation(len(chosen))]
        rows[name] = _moved(rows[name], chosen, picked)
    return rows


def _values(forest: Forest, index: int, field: Field) -> list[object]:
    if field.name in forest.categories:
        return [*forest.categories[field.name], None]
    mine = (split.threshold for split in forest.splits() if split.feature == index)
    thresholds = {threshold for threshold in mine if threshold is not None}
    beside = {value for threshold in thresholds for value in _beside(threshold, field)}
    missing = [np.nan] if thresholds and field.allows_null else []
    return [*sorted(value for value in beside if np.isfinite(value)), *missing]


def _beside(threshold: float, field: Field) -> set[float]:
    if field.kind == "boolean":
        return {0.0, 1.0}
    if field.kind == "integer":
        return {float(np.floor(threshold)), float(np.ceil(threshold))}
    near, ends = np.float32(threshold), (-np.inf, np.inf)
    doubles = {float(np.nextafter(threshold, end)) for end in ends}
    singles = {float(np.nextafter(near, np.float32(end))) for end in ends}
    return {threshold, float(near), *doubles, *singles}


def _moved(column: pd.Series, chosen: np.ndarray, picked: list[object]) -> pd.Series:
    if column.dtype.kind not in "iufb":
        texts = column.astype("object").to_numpy().copy()
        texts[chosen] = picked
        return pd.Series(texts, index=column.index, dtype="object")
    numbers = column.to_numpy(dtype=np.float64, na_value=np.nan).copy()
    numbers[chosen] = picked
    moved = pd.Series(numbers, index=column.index)
    return moved.astype(column.dtype) if column.dtype.kind in "iub" else moved
