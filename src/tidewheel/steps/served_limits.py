"""What is declared of outliers where a model answers, with the numbers that rows of training give for it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from tidewheel.core.errors import DefinitionError, NotFoundError, ParameterError
from tidewheel.core.records.served_limits import ServedLimit, ServedLimits
from tidewheel.model_package import Package
from tidewheel.model_package.signature import columns_of
from tidewheel.pipeline import ColumnLimit
from tidewheel.statistics.cells import cells_of
from tidewheel.statistics.robust_limits import deviation_limits, quantile_limits

_FALLBACK_DIGITS = 6


def learn_limits(
    declared: Sequence[ColumnLimit], observed: pd.DataFrame, package: Package, fallback: Sequence[float] = ()
) -> ServedLimits:
    """Limits for the inputs of a package, to be held against what it is asked.

    Args:
        declared: limits of the place `serving`.
        observed: rows with the columns that the limits are about; other columns are not looked at.
        fallback: the answer to a row that falls back; see `ServedLimits`.

    Raises:
        DefinitionError: a limit is declared for training or is none of a column, or there is a fallback and no limit
            that falls back.
        NotFoundError: the rows lack a column.
        ParameterError: a column does not hold numbers.
    """
    given: Sequence[object] = declared  # nobody checks the types of a project before it runs
    foreign = [type(one).__name__ for one in given if not isinstance(one, ColumnLimit)]
    if foreign:
        raise DefinitionError(
            "where a model answers, only limits of columns are enacted",
            [f"{name} is none @ limits" for name in foreign],
            next_step="declare a ColumnLimit for each column; a RowDetector is for data_validation(detector=)",
        )
    elsewhere = [one.column for one in declared if one.place != "serving"]
    problems = [f"the limit of column {column!r} is declared for training @ limits" for column in elsewhere]
    if fallback and not falls_back(declared):
        problems.append("no limit falls back @ fallback")
    if problems:
        raise DefinitionError(
            "packaging is about rows that a model is asked about", problems, next_step='say place="serving"'
        )
    integers = {field.name for field in package.signature.inputs if field.kind == "integer"}
    limits = tuple(_learned(one, observed, is_integer=one.column in integers) for one in declared)
    return ServedLimits(limits=limits, row_count=len(observed), fallback=tuple(map(float, fallback)))


def falls_back(declared: Sequence[ColumnLimit]) -> bool:
    """Whether some row may be answered without the model."""
    return any(one.policy == "fall_back" for one in declared)


def mean_answer(package: Package, rows: pd.DataFrame) -> tuple[float, ...]:
    """The mean of a package's answers to rows: of probabilities the share that it expects, or the mean prediction.

    It is rounded to six digits, so that it does not depend on the order in which a processor adds.
    """
    answers = package.open().predict(columns_of(rows))
    main = answers.get("probability", answers.get("prediction"))
    assert main is not None
    return tuple(float(f"{one:.{_FALLBACK_DIGITS}g}") for one in np.atleast_1d(main.mean(axis=0)).tolist())


def _learned(declared: ColumnLimit, observed: pd.DataFrame, *, is_integer: bool) -> ServedLimit:
    numbers = _numbers(observed, declared.column)
    cells = cells_of(numbers[np.isfinite(numbers)])
    found = (
        quantile_limits(cells, declared.quantile)
        if declared.quantile is not None
        else deviation_limits(cells, declared.mads)
    )
    if found is None:
        return ServedLimit(column=declared.column, policy=declared.policy)
    low, high = found.low, found.high
    if is_integer:  # the outermost whole numbers within, so that a clipped one stays whole
        low, high = float(np.ceil(low)), float(np.floor(high))
    if not low <= high:  # no whole number lies between them
        return ServedLimit(column=declared.column, policy=declared.policy)
    return ServedLimit(
        column=declared.column,
        policy=declared.policy,
        low=low if math.isfinite(low) else None,
        high=high if math.isfinite(high) else None,
        expected_share=found.share,
    )


def _numbers(observed: pd.DataFrame, column: str) -> np.ndarray:
    if column not in observed.columns:
        raise NotFoundError("column", column, known=map(str, observed.columns))
    values = observed[column]
    if isinstance(values.dtype, pd.CategoricalDtype) or pd.api.types.is_bool_dtype(values.dtype):
        raise ParameterError(
            f"column {column!r} of type {values.dtype} has no limits", next_step="declare limits for columns of numbers"
        )
    try:
        numbers: np.ndarray = values.to_numpy(dtype=np.float64, na_value=np.nan)
    except (ValueError, TypeError):
        raise ParameterError(
            f"column {column!r} of type {values.dtype} has no limits", next_step="declare limits for columns of numbers"
        ) from None
    return numbers
