"""Rows at the boundaries that nobody told: pairs of neighbouring doubles between which the model's answer jumps.

A pipeline of scalers, bins and trees has its boundaries at raw values that no attribute holds to the last bit. They are
found by asking: between two values of a column, the eighth in which the answer changes most is divided again, until
the two are neighbours. All columns and rows are asked together, so the search is some twenty calls of `predict`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from tidewheel.model_package.native_model import frame_of
from tidewheel.model_package.signature import Field, Signature, columns_of

ROWS_PER_COLUMN = 24
_PARTS = 8  # a call of a pipeline costs the same for ten rows and for five hundred
_ROUNDS = 22  # 8 ** 21 is 2 ** 63, as many as there are doubles

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
    slices, wide = _slices(parts), pd.concat([base] * (_PARTS - 1), ignore_index=True)
    said_low, said_high = (answers(_placed(base, slices, ends)) for ends in (low, high))
    is_integer = np.concatenate([np.full(len(part.rows), part.field.kind == "integer") for part in parts])
    for _ in range(_ROUNDS):
        inner = low + (high - low) * (np.arange(1, _PARTS) / _PARTS)[:, None]
        inner = np.where(is_integer, np.floor(inner), inner)
        if ((inner == low) | (inner == high)).all():
            break
        said = answers(_placed(wide, slices, inner))
        points = np.stack([low, *inner, high])
        told = np.stack([said_low, *said.reshape(len(inner), *said_low.shape), said_high])
        low, said_low, high, said_high = _most_changed(points, told)
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
    """The frame, which may be several times the rows of the search, with a value in the searched column of each row."""
    changed = {}
    for name, part in slices:
        column = base[name].to_numpy(dtype=np.float64, copy=True)
        column.reshape(values.shape)[..., part] = values[..., part]
        changed[name] = column
    return base.assign(**changed)


def _most_changed(points: np.ndarray, told: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Per row, the two neighbours among its points between which the answers differ most, each with its answer.

    Args:
        points: ascending values, of shape (points, rows); some may be equal, but not all of a row.
        told: the model's answers, of shape (points, rows, numbers).
    """
    changes = np.abs(np.diff(told, axis=0)).sum(axis=2)
    changes[np.diff(points, axis=0) == 0] = -1.0
    first, rows = changes.argmax(axis=0), np.arange(points.shape[1])
    return points[first, rows], told[first, rows], points[first + 1, rows], told[first + 1, rows]


def _values(field: Field, values: pd.Series) -> list[Any]:
    read = {"integer": int, "boolean": bool, "string": str}.get(field.kind, float)
    return [None if missing else read(one) for one, missing in zip(values, values.isna(), strict=True)]
