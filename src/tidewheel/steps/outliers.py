"""Outliers column by column: numbers beyond limits that the reference profile gives."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from tidewheel.core.errors import NotFoundError, ParameterError
from tidewheel.core.records import OutlierFinding
from tidewheel.pipeline import ColumnLimit
from tidewheel.statistics import Profile
from tidewheel.statistics.robust_limits import Limits, deviation_limits, quantile_limits

SAMPLES = 5


class Judged(NamedTuple):
    """One declared limit held against rows.

    Attributes:
        finding: counted.
        is_outlier: one truth value per row.
        is_refused: whether there are so many that the run must stop.
    """

    finding: OutlierFinding
    is_outlier: np.ndarray[Any, np.dtype[np.bool_]]
    is_refused: bool


def judge_column(rows: pa.Table, limit: ColumnLimit, reference: Profile) -> Judged:
    """Holds a column against its limits; a missing value is none.

    Raises:
        NotFoundError: there is no such column, or the reference had none.
        ParameterError: it is not one of numbers.
    """
    if limit.column not in rows.column_names:
        raise NotFoundError("column", limit.column, known=rows.column_names)
    type_ = rows.schema.field(limit.column).type
    if not (pt.is_integer(type_) or pt.is_floating(type_) or pt.is_decimal(type_)):
        raise ParameterError(
            f"column {limit.column!r} of type {type_} has no limits", next_step="declare limits for columns of numbers"
        )
    limits = limits_of(limit, reference)
    if limits is None:
        message = (
            f"{limit.column} has no limits: at least half of the reference's numbers are the same, or there is none"
        )
        finding = OutlierFinding(rule=limit.column, policy=limit.policy, message=f"{message}; declare a quantile")
        return Judged(finding, np.zeros(rows.num_rows, bool), is_refused=False)
    numbers = numbers_of(rows, limit.column)
    below, above = numbers < limits.low, numbers > limits.high
    is_outlier = below | above
    finding = OutlierFinding(
        rule=limit.column,
        policy=limit.policy,
        low=limits.low,
        high=limits.high,
        below=int(below.sum()),
        above=int(above.sum()),
        expected_share=limits.share,
    )
    told = f"{limit.column} is from {limits.low:g} to {limits.high:g}"
    return judged(finding, is_outlier, rows, told, tolerated=limit.tolerated)


def judged(
    finding: OutlierFinding,
    is_outlier: np.ndarray[Any, np.dtype[np.bool_]],
    rows: pa.Table,
    told: str,
    *,
    tolerated: float,
) -> Judged:
    """Counts the outliers of a finding and says so in words."""
    count = int(is_outlier.sum())
    share = count / rows.num_rows if rows.num_rows else 0.0
    places = np.flatnonzero(is_outlier)[:SAMPLES]
    samples = tuple(msgspec.to_builtins(row, enc_hook=str) for row in rows.take(pa.array(places)).to_pylist())
    message = (
        f"{told}: {count:,} of {rows.num_rows:,} rows are beyond ({share:.2%}, {finding.expected_share:.2%} before)"
    )
    counted = msgspec.structs.replace(finding, count=count, share=share, samples=samples, message=message)
    return Judged(counted, is_outlier, is_refused=finding.policy == "refuse" and share > tolerated)


def limits_of(limit: ColumnLimit, reference: Profile) -> Limits | None:
    """The limits that the reference gives; None when it gives none.

    Raises:
        NotFoundError: the reference has no such column.
    """
    cells = reference.column(limit.column).cells
    if limit.quantile is not None:
        return quantile_limits(cells, limit.quantile)
    return deviation_limits(cells, limit.mads)


def clip_column(rows: pa.Table, finding: OutlierFinding) -> pa.Table:
    """The rows with the numbers of a column brought to the nearest limit; whole numbers and decimals stay such."""
    if finding.low is None or finding.high is None:
        return rows
    at = rows.column_names.index(finding.rule)
    field = rows.schema.field(at)
    numbers = rows[finding.rule]
    # A limit beyond all numbers of the type cannot be said in it, and is not needed.
    if finding.below:
        limit = _scalar(finding.low, field.type, ROUND_CEILING)
        numbers = pc.if_else(pc.less(numbers, limit), limit, numbers)
    if finding.above:
        limit = _scalar(finding.high, field.type, ROUND_FLOOR)
        numbers = pc.if_else(pc.greater(numbers, limit), limit, numbers)
    return rows.set_column(at, field, numbers)


def _scalar(limit: float, type_: pa.DataType, rounding: str) -> pa.Scalar:
    """A limit in the type of a column, rounded to what is still within it."""
    if pt.is_floating(type_):
        return pa.scalar(limit).cast(type_)
    scale = type_.scale if pt.is_decimal(type_) else 0
    # As it reads: the nearest float of 0.1 lies a little above it, and is meant as 0.1.
    rounded = Decimal(repr(float(limit))).quantize(Decimal(1).scaleb(-scale), rounding, Context(prec=400))
    return pa.scalar(rounded if pt.is_decimal(type_) else int(rounded), type_)


def numbers_of(rows: pa.Table, column: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    """A column as floating-point numbers, NaN where there is none."""
    found: np.ndarray[Any, np.dtype[np.float64]] = rows[column].cast(pa.float64(), safe=False).to_numpy()
    return found
