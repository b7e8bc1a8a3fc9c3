"""Outliers row by row: numbers that are strange together, told by an isolation forest.

Liu, Ting and Zhou, "Isolation Forest", ICDM 2008; scikit-learn's. It is made from rows of the reference and scores the
rows of the run; the limit of the score is the quantile that the declaration names. Its cuts are along the axes, so it
is blind to a row that breaks what goes together while each number is usual; it is shown the principal components, each
in units of its own deviation, along which such a row lies far out.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.types as pt
from sklearn.ensemble import IsolationForest

from tidewheel.core.errors import NotFoundError, ParameterError
from tidewheel.core.records import OutlierFinding
from tidewheel.pipeline import RowDetector
from tidewheel.steps.outliers import Judged, judged, numbers_of
from tidewheel.steps.reference import Reference

SAMPLE_ROWS = 50_000
_MINIMUM_ROWS = 100
_LARGEST = 1e30
_LEAST_VARIANCE = 1e-6

Matrix = np.ndarray[Any, np.dtype[np.float64]]


def judge_rows(rows: pa.Table, detector: RowDetector, reference: Reference, *, ignore: Collection[str]) -> Judged:
    """Scores each row; what is missing counts as the reference's median.

    The same rows give the same answer. At most 50,000 rows of the reference are used, drawn by the declared seed; both
    tables' numbers are held in memory.

    Raises:
        NotFoundError: a declared column is not there.
        ParameterError: there is no column of numbers, or a declared one has none.
    """
    columns = _columns(rows.schema, detector, reference, ignore)
    past = _matrix(reference.rows.to_arrow(columns), columns)
    if len(past) < _MINIMUM_ROWS:
        message = f"rows were not judged: the reference has {len(past)}, fewer than {_MINIMUM_ROWS}"
        finding = OutlierFinding(rule="rows", policy=detector.policy, message=message)
        return Judged(finding, np.zeros(rows.num_rows, bool), is_refused=False)
    drawn = np.random.default_rng(detector.seed).permutation(len(past))[:SAMPLE_ROWS]
    sample = past[np.sort(drawn)]
    view = _View(sample)
    seen = view.of(sample)
    forest = IsolationForest(n_estimators=detector.trees, random_state=detector.seed, n_jobs=1).fit(seen)
    limit = float(np.quantile(-forest.score_samples(seen), 1 - detector.share))
    is_outlier = -forest.score_samples(view.of(_matrix(rows, columns))) > limit
    finding = OutlierFinding(
        rule="rows", policy=detector.policy, high=limit, above=int(is_outlier.sum()), expected_share=detector.share
    )
    told = f"rows are alike in {', '.join(columns)} (score up to {limit:.3f})"
    return judged(finding, is_outlier, rows, told, tolerated=detector.tolerated)


def _columns(schema: pa.Schema, detector: RowDetector, reference: Reference, ignore: Collection[str]) -> Sequence[str]:
    numbers = [field.name for field in schema if _is_number(field.type)]
    known = {column.name for column in reference.profile.columns if column.kind in ("number", "boolean")}
    for name in detector.columns:
        if name not in schema.names:
            raise NotFoundError("column", name, known=schema.names)
        if name not in numbers or name not in known:
            raise ParameterError(f"column {name!r} of type {schema.field(name).type} does not hold numbers")
    chosen = detector.columns or [name for name in numbers if name in known and name not in ignore]
    if not chosen:
        raise ParameterError("there is no column of numbers to tell strange rows by")
    return list(chosen)


def _is_number(type_: pa.DataType) -> bool:
    return bool(pt.is_integer(type_) or pt.is_floating(type_) or pt.is_decimal(type_) or pt.is_boolean(type_))


def _matrix(rows: pa.Table, columns: Sequence[str]) -> Matrix:
    """The columns side by side; infinite numbers as very large ones."""
    return np.clip(np.column_stack([numbers_of(rows, column) for column in columns]), -_LARGEST, _LARGEST)


class _View:
    """Rows as the forest sees them: their principal components, each in units of its own deviation."""

    def __init__(self, sample: Matrix) -> None:
        filled = [column[~np.isnan(column)] for column in sample.T]
        self._middle = np.array([np.median(column) if len(column) else 0.0 for column in filled])
        spread = np.array([column.std() if len(column) else 0.0 for column in filled])
        self._spread = np.where(spread > 0, spread, 1.0)
        scaled = self._scaled(sample)
        variances, self._axes = np.linalg.eigh(scaled.T @ scaled / len(scaled))
        # What never varied before would be divided by nothing; so it is merely large when it varies now.
        self._deviations = np.sqrt(np.maximum(variances, 0) + _LEAST_VARIANCE)

    def of(self, rows: Matrix) -> Matrix:
        """As many columns, without gaps; the largest numbers are within those of 32 bits, which the forest takes."""
        components: Matrix = self._scaled(rows) @ self._axes / self._deviations
        return components

    def _scaled(self, rows: Matrix) -> Matrix:
        scaled: Matrix = np.clip(np.nan_to_num((rows - self._middle) / self._spread, nan=0.0), -_LARGEST, _LARGEST)
        return scaled
