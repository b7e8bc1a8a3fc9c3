"""Splits in time order: what is judged always comes after what was learned from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from tidewheel.core.errors import NotFoundError, ParameterError
from tidewheel.steps.query_rows import query_codes

Split = tuple[np.ndarray, np.ndarray]
"""Places of the rows to learn from, and of those to be judged by."""


def time_splits(
    train: pd.DataFrame, validation: pd.DataFrame | None, *, folds: int, time: str, group: str = ""
) -> tuple[pd.DataFrame, Sequence[Split]]:
    """The rows in time order, and how to split them.

    Rows of one time are never on both sides of a split. With `validation` there is one split, between the two; with
    `folds` each part is judged by models that learned from what was before it (scikit-learn's `TimeSeriesSplit`).
    Rows of one `group` are never on both sides either: all of them count as of the last one's time.

    Raises:
        ParameterError: neither or both of validation and folds are given, or times or groups do not allow the split.
        NotFoundError: there is no column `time` or `group`.

    Example:
        >>> days = pd.DataFrame({"day": [3, 1, 2, 2]})
        >>> rows, splits = time_splits(days, None, folds=2, time="day")
        >>> [(rows["day"].iloc[learn].tolist(), rows["day"].iloc[judge].tolist()) for learn, judge in splits]
        [([1], [2, 2]), ([1, 2, 2], [3])]
    """
    if (validation is None) == (folds == 0):
        raise ParameterError(
            "tuning needs rows to judge by: either validation rows or a number of folds",
            next_step="give `validation`, or `folds` and the column `time`",
        )
    if validation is not None:
        return _one_split(train, validation, time, group)
    if not time:
        raise ParameterError(
            "folds are parts in time order, and no column says what that is", next_step="name it: time='day'"
        )
    if folds < 2:
        raise ParameterError(f"{folds} fold judges nothing", next_step="give at least 2, or `validation` rows")
    values = _times(train, time, "rows")
    if group:
        values = train[time].groupby(query_codes(train, group, "rows")).transform("max").to_numpy()
    rows = train.iloc[np.argsort(values, kind="stable")]
    ordered, codes = np.unique(values, return_inverse=True)
    if len(ordered) <= folds:
        raise ParameterError(f"{len(ordered)} different values of {time!r} make no {folds} folds")
    from sklearn.model_selection import TimeSeriesSplit

    codes = np.sort(codes)
    parts = TimeSeriesSplit(folds).split(ordered)
    return rows, [(np.flatnonzero(codes <= learn[-1]), np.flatnonzero(np.isin(codes, judge))) for learn, judge in parts]


def _one_split(
    train: pd.DataFrame, validation: pd.DataFrame, time: str, group: str
) -> tuple[pd.DataFrame, Sequence[Split]]:
    for name, rows in (("training", train), ("validation", validation)):
        if rows.empty:
            raise ParameterError(f"there are no {name} rows", next_step="look at what the step before it gave")
    if time:
        last, first = _times(train, time, "training rows").max(), _times(validation, time, "validation rows").min()
        if first <= last:
            raise ParameterError(
                f"the validation rows begin at {time} {_told(first)}, and the training rows end at {_told(last)}",
                next_step="split in time order: what a model is judged by comes after what it learned from",
            )
    rows = pd.concat([train, validation], ignore_index=True)
    if group:
        queries = query_codes(rows, group, "rows")
        shared = len(np.intersect1d(queries[: len(train)], queries[len(train) :]))
        if shared:
            raise ParameterError(
                f"{shared} values of {group!r} have training rows and validation rows",
                next_step="split between queries: what is ordered among each other stays together",
            )
    return rows, [(np.arange(len(train)), np.arange(len(train), len(rows)))]


def _times(rows: pd.DataFrame, time: str, where: str) -> np.ndarray:
    if time not in rows.columns:
        raise NotFoundError("column", time, known=[str(name) for name in rows.columns], where=where)
    missing = int(rows[time].isna().sum())
    if missing:
        raise ParameterError(f"{missing} of {len(rows)} {where} have no {time!r}")
    return np.asarray(rows[time].to_numpy())


def _told(value: Any) -> str:
    return str(pd.Timestamp(value)) if isinstance(value, np.datetime64) else str(value)
