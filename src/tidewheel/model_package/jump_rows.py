"""Rows at the boundaries that nobody told: pairs of neighbouring doubles between which the model's answer jumps.

A pipeline of scalers, bins and trees has its boundaries at raw values that no attribute holds to the last bit. They are
found by asking: between two values of a column, the half in which the answer changes more is halved again, until the
two are neighbours. All columns and rows are asked together, so the search is some sixty calls of `predict`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from tidewheel.model_package.native_model import frame_of
from tidewheel.model_package.signature import Field, Signature, columns_of

ROWS_PER_COLUMN = 24
_HALVINGS = 64

_Answers = Callable[[pd.DataFrame], np.ndarray]


def jump_rows(answers: _Answers, signature: Signature, sample: pd.DataFrame, *, seed: int = 0) -> dict[str, list[Any]]:
    """Both sides of each jump that was found, as columns; empty lists for a signature without numbers.

    Args:
        answers: the model's, one row of numbers per row of a frame.
        signature: whose numeric fields are searched.
        sample: real rows, whose values are the ends of the search.
        seed: of the choice of rows.
    """
    fields = [field for field in signature.inputs if field.kind in ("float", "integer") and not field.domain]
    generator = np.random.default_rng(seed)
    parts = [part for field in fields if (part := _Part.drawn(field, sample, generator)) is not None]
    if not parts:
        return {field.name: [] for field in signature.inputs}
    base = frame_of(signature, columns_of(sample.iloc[np.concatenate([part.rows for part in parts])]))
    low, high = (np.concatenate(ends) for ends in zip(*((part.low, part.high) for part in parts), strict=True))
    slices = _slices(parts)
    said_low, said_high = (answers(_placed(base, slices, ends)) for ends in (low, high))
    is_integer = np.concatenate([np.full(len(part.rows), part.field.kind == "integer") for part in parts])
    for _ in range(_HALVINGS):
        middle = low + (high - low) / 2
        middle = np.where(is_integer, np.floor(middle), middle)
        if ((middle == low) | (middle == high)).all():
            break
        said = answers(_placed(base, slices, middle))
        is_lower = np.abs(said - said_low).sum(axis=1) >= np.abs(said_high - said).sum(axis=1)
        is_between = (middle != low) & (middle != high)
        high, said_high = _moved(is_between & is_lower, (middle, said), (high, said_high))
        low, said_low = _moved(is_between & ~is_lower, (middle, said), (low, said_low))
    found = pd.concat([_placed(base, slices, ends) for ends in (low, high)])
    return {field.name: _values(field, found[field.name]) for field in signature.inputs}


class _Part:
    """The search in one column."""

    def __init__(self, field: Field, rows: np.ndarray, low: np.ndarray, high: np.ndarray) -> None:
        self.field, self.rows, self.low, self.high = field, rows, low, high

    @classmethod
    def drawn(cls, field: Field, sample: pd.DataFrame, generator: np.random.Generator) -> _Part | None:
        """Pairs of values that the column has, each in a row of the sample; None when it has one value."""
        given = np.unique(pd.to_numeric(sample[field.name]).dropna().to_numpy(dtype=np.float64))
        if len(given) < 2:
            return None
        ends = np.sort(generator.choice(given, (ROWS_PER_COLUMN, 2)), axis=1)
        ends = ends[ends[:, 0] < ends[:, 1]]
        rows = generator.integers(0, len(sample), len(ends))
        return cls(field, rows, ends[:, 0], ends[:, 1]) if len(ends) else None


def _slices(parts: list[_Part]) -> list[tuple[str, slice]]:
    stops = np.cumsum([len(part.rows) for part in parts])
    return [
        (part.field.name, slice(int(stop) - len(part.rows), int(stop))) for part, stop in zip(parts, stops, strict=True)
    ]


def _placed(base: pd.DataFrame, slices: list[tuple[str, slice]], values: np.ndarray) -> pd.DataFrame:
    """The frame with a value in the searched column of each row."""
    changed = {}
    for name, part in slices:
        column = base[name].to_numpy(dtype=np.float64, copy=True)
        column[part] = values[part]
        changed[name] = column
    return base.assign(**changed)


def _moved(
    is_moved: np.ndarray, new: tuple[np.ndarray, np.ndarray], old: tuple[np.ndarray, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    return np.where(is_moved, new[0], old[0]), np.where(is_moved[:, None], new[1], old[1])


def _values(field: Field, values: pd.Series) -> list[Any]:
    read = {"integer": int, "boolean": bool, "string": str}.get(field.kind, float)
    return [None if missing else read(one) for one, missing in zip(values, values.isna(), strict=True)]
