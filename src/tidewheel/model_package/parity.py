"""How far a package's answers are from the model's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tidewheel.core.records.record import Record


class ParityReport(Record, frozen=True, kw_only=True):
    """The comparison on which a package rests.

    Attributes:
        sample_rows, held_out_rows: real rows.
        boundary_rows: rows made beside each split and scaled unit, in each category, with each value missing.
        jump_rows: neighbouring doubles between which the model's answer was found to jump.
        maximum_difference: see `largest_difference`; infinity when labels differ.
        tolerance: what was allowed.
    """

    sample_rows: int
    boundary_rows: int
    held_out_rows: int = 0
    jump_rows: int = 0
    maximum_difference: float
    tolerance: float


def largest_difference(expected: Mapping[str, Any], answers: Mapping[str, Any]) -> float:
    """The largest difference of any number, absolute up to 1 and relative beyond; infinity when labels differ.

    Also when shapes differ, or where only one of the two is missing.

    Example:
        >>> import numpy as np
        >>> largest_difference({"prediction": [0.5, 2000.0]}, {"prediction": np.array([0.5, 2001.0])})
        0.0005
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
            gap = np.abs(np.nan_to_num(ours) - np.nan_to_num(theirs)) / np.maximum(1.0, np.abs(np.nan_to_num(ours)))
        worst = max(worst, float(gap.max(initial=0.0)))
    return worst
