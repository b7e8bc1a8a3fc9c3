"""Rows where a conversion would go wrong first: beside every threshold, in every category, with values missing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from tidewheel.model_package.forest import Forest
from tidewheel.model_package.signature import Field, Signature, columns_of

MINIMUM_ROWS = 256
MAXIMUM_ROWS = 100_000
UNKNOWN = "no such category"


def boundary_rows(forest: Forest, signature: Signature, sample: pd.DataFrame, *, seed: int = 0) -> dict[str, list[Any]]:
    """Sample rows with one or more values moved to a boundary, as columns; empty lists when there is no boundary.

    For each threshold: itself and its neighbours in float64 and float32. For each category column: every category, an
    unknown one and a missing one. Each such value is put into a row of the sample, most rows get several. A column with
    more values than rows (beyond some 7,000 thresholds) keeps missing and unknown, and a random choice of the rest.

    Args:
        forest: whose boundaries.
        signature: which fields are integers, and which may be missing.
        sample: real rows to start from.
        seed: of the choice of rows.
    """
    generator = np.random.default_rng(seed)
    fields = {field.name: field for field in signature.inputs}
    values = {name: _values(forest, index, fields[name]) for index, name in enumerate(forest.columns)}
    longest = max((len(one) for one in values.values()), default=0)
    count = min(MAXIMUM_ROWS, max(MINIMUM_ROWS, longest * 4)) if longest else 0
    rows = columns_of(sample.iloc[generator.integers(0, len(sample), count)])
    for name, candidates in values.items():
        chosen = np.flatnonzero(generator.random(count) < 0.5) if candidates else np.array([], dtype=np.int64)
        candidates = _thinned(candidates, len(chosen), generator)
        # Every candidate as often as the others, in an order that pairs those of two columns differently.
        for place, row in enumerate(generator.permutation(chosen)):
            rows[name][row] = candidates[place % len(candidates)]
    return rows


def _thinned(candidates: list[Any], room: int, generator: np.random.Generator) -> list[Any]:
    """At most `room` of them: the first, which are missing and unknown, and any of the others."""
    if len(candidates) <= room:
        return candidates
    others = generator.choice(np.arange(2, len(candidates)), room - 2, replace=False)
    return [*candidates[:2], *(candidates[index] for index in sorted(others))]


def _values(forest: Forest, index: int, field: Field) -> list[Any]:
    """What to try in a column; missing and unknown stand first."""
    if field.name in forest.categories:
        known = forest.categories[field.name]
        return [None, *([UNKNOWN] if UNKNOWN not in known else []), *known]
    mine = (split.threshold for split in forest.splits() if split.feature == index)
    thresholds = {threshold for threshold in mine if threshold is not None}
    beside = {value for threshold in thresholds for value in _beside(threshold, field) if np.isfinite(value)}
    read = {"integer": int, "boolean": bool}.get(field.kind, float)
    missing = [None] if thresholds and field.allows_null else []
    return [*missing, *map(read, sorted(beside))]


def _beside(threshold: float, field: Field) -> set[float]:
    if field.kind == "boolean":
        return {0.0, 1.0}
    if field.kind == "integer":
        return {float(np.floor(threshold)), float(np.ceil(threshold))}
    ends = (-np.inf, np.inf)
    with np.errstate(over="ignore"):  # beyond float32 its neighbour is infinite, and left out
        near = np.float32(threshold)
        singles = {float(np.nextafter(near, np.float32(end))) for end in ends}
    doubles = {float(np.nextafter(threshold, end)) for end in ends}
    return {threshold, float(near), *doubles, *singles}
