"""How far a package's answers are from the model's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tidewheel.core.records.record import Record


class ParityReport(Record, frozen=True, kw_only=True):
    """The comparison on which a package rests.

    Attributes:
        sample_rows, boundary_rows: rows of the sample; generated rows beside each split, category and missing value.
        maximum_difference: largest absolute difference of any number, infinity when labels differ.
        tolerance: what was allowed.
    """

    sample_rows: int
    boundary_rows: int
    maximum_difference: float
    tolerance: float


def largest_difference(expected: Mapping[str, Any], answers: Mapping[str, Any]) -> float:
    """The largest absolute difference of any number; infinity when labels, shapes or missing values differ.

    Example:
        >>> import numpy as np
        >>> largest_difference({"prediction": [1.0, 2.0]}, {"prediction": np.array([1.0, 2.5])})
        0.5
    """
    import numpy as np

    worst = 0.0
    for name, values in expected.items():
        if name not in answers:
            return float("inf")
        ours, theirs = np.asarray(values), np.asarray(answers[name])
        if ours.shape != theirs.shape:
            return float("inf")
        if ours.dtype.kind not in "f":
            if not (ours == theirs).all():
                return float("inf")
            continue
        if (np.isnan(ours) != np.isnan(theirs)).any():
            return float("inf")
        with np.errstate(over="ignore"):
            gap = np.abs(np.nan_to_num(ours) - np.nan_to_num(theirs))
        worst = max(worst, float(gap.max(initial=0.0)))
    return worst
