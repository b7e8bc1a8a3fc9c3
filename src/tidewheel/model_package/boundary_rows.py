"""Rows where a conversion would go wrong first: beside every threshold, in every category, with values missing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from tidewheel.model_package.forest import Forest
from tidewheel.model_package.signature import Field, Signature, columns_of

MINIMUM_ROWS = 256
MAXIMUM_ROWS = 100_000
UNKNOWN = "no such category"


def boundary_rows(values: dict[str, list[Any]], sample: pd.DataFrame, *, seed: int = 0) -> dict[str, list[Any]]:
    """Sample rows with one or more values moved to a boundary, as columns; empty lists when there is no boundary.

    Each value is put into a row of the sample, most rows get several. A column with more values than rows (beyond some
    7,000 thresholds) keeps missing and unknown, and a random choice of the rest.

    Args:
        values: by column what to try, missing and unknown first; see `forest_values`.
        sample: real rows to start from.
        seed: of the choice of rows.
    """
    generator = np.random.default_rng(seed)
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


def forest_values(forest: Forest, signature: Signature) -> dict[str, list[Any]]:
    """What to try in each column of a forest that takes raw rows.

    For each threshold: itself and its neighbours in float64 and float32. For each category column: every category, an
    unknown one and a missing one.
    """
    fields = {field.name: field for field in signature.inputs}
    thresholds: dict[int, set[float]] = {}
    for split in forest.splits():
        if split.threshold is not None:
            thresholds.setdefault(split.feature, set()).add(split.threshold)
    texts = forest.texts()
    return {
        name: text_values(texts[name], allows_null=True)
        if name in texts
        else number_values(fields[name], {*thresholds.get(index, ()), *_numbers(forest, name)}, forest.is_single)
        for index, name in enumerate(forest.columns)
    }


def _numbers(forest: Forest, name: str) -> set[float]:
    known = [float(one) for one in forest.categories.get(name, ())]
    return {*known, max(known) + 1.0} if known else set()


def text_values(known: Iterable[str], *, allows_null: bool, allows_unknown: bool = True) -> list[Any]:
    """Missing and unknown where the model answers them, and every category."""
    texts = list(known)
    unknown = [UNKNOWN] if allows_unknown and UNKNOWN not in texts else []
    return [*([None] if allows_null else []), *unknown, *texts]


def number_values(field: Field, thresholds: Iterable[float], is_single: bool) -> list[Any]:
    """Missing where it is allowed, and each threshold with its neighbours.

    Args:
        field: a boolean or integer has other neighbours than a double.
        thresholds: where something happens; none gives nothing to try.
        is_single: whether the model rounds to float32, so that halfway between two of them something happens too.
    """
    numbers = set(thresholds)
    beside = {value for one in numbers for value in _beside(one, field, is_single) if np.isfinite(value)}
    read = {"integer": int, "boolean": bool}.get(field.kind, float)
    return [*([None] if numbers and field.allows_null else []), *map(read, sorted(beside))]


def _beside(threshold: float, field: Field, is_single: bool) -> set[float]:
    if field.kind == "boolean":
        return {0.0, 1.0}
    if not np.isfinite(threshold):
        return set()
    if field.kind == "integer":
        return {float(np.floor(threshold)), float(np.ceil(threshold))}
    with np.errstate(over="ignore"):  # beyond float32 its neighbour is infinite, and left out
        near = np.float32(threshold)
        singles = [float(np.nextafter(near, np.float32(end))) for end in (-np.inf, np.inf)]
        halves = [float(near) / 2 + one / 2 for one in singles] if is_single else []
    doubles = {neighbour for one in (threshold, *halves) for neighbour in _neighbours(one)}
    return {threshold, float(near), *singles, *halves, *doubles}


def _neighbours(value: float) -> tuple[float, float]:
    return float(np.nextafter(value, -np.inf)), float(np.nextafter(value, np.inf))
