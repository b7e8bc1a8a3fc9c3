"""Outliers among rows that a model answers: found by the package's limits, and treated as each limit declares.

The server and batch prediction both go through here: the one with the plain values of a request, the other with the
bound columns of a batch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from tidewheel.core.records.outlier import Outlier
from tidewheel.core.records.served_limits import ServedLimits
from tidewheel.model_package.native_model import labelled
from tidewheel.model_package.signature import Signature

Columns = Mapping[str, Any]


class Treated(NamedTuple):
    """Answers to rows among which outliers were.

    Attributes:
        outputs: by output name.
        inputs: the columns with clipped numbers in place of those that came; the others as they came.
    """

    outputs: dict[str, np.ndarray]
    inputs: Columns


class OutlierTreatment:
    """Carries out what the limits of a package declare.

    Args:
        limits: with at least one that was learned, see `treatment_of`.
        signature: of the same package, and so checked against the limits.
    """

    def __init__(self, limits: ServedLimits, signature: Signature) -> None:
        self._limits = [one for one in limits.limits if one.low is not None or one.high is not None]
        self._columns = [one.column for one in self._limits]
        self._low = np.array([[-math.inf if one.low is None else one.low] for one in self._limits])
        self._high = np.array([[math.inf if one.high is None else one.high] for one in self._limits])
        self._integers = {field.name for field in signature.inputs if field.kind == "integer"}
        self._fallback = fallback_answer(limits.fallback, signature) if limits.fallback else {}

    def find(self, columns: Columns) -> dict[int, tuple[Outlier, ...]]:
        """The rows beyond limits, by row number; a missing value is beyond none.

        Args:
            columns: plain values, or arrays of shape [n, 1], by input. What is no number is left to the model to tell.
        """
        try:
            numbers = np.array([columns[name] for name in self._columns], dtype=np.float64)
        except (TypeError, ValueError, OverflowError):
            return {}
        numbers = numbers.reshape(len(self._columns), -1)
        is_beyond = (numbers < self._low) | (numbers > self._high)
        if not is_beyond.any():
            return {}
        found: dict[int, tuple[Outlier, ...]] = {}
        for row, place in np.argwhere(is_beyond.T).tolist():
            found[row] = (*found.get(row, ()), self._outlier(place, float(numbers[place, row])))
        return found

    def answer(
        self,
        found: Mapping[int, Sequence[Outlier]],
        columns: Columns,
        row_count: int,
        predict: Callable[[Columns], Mapping[str, np.ndarray]],
    ) -> Treated:
        """Answers all rows: on clipped numbers where a limit clips, without the model where one falls back.

        Args:
            found: what `find` gave for these rows, none of which is to be refused.
            columns: valid rows of the signature.
            predict: asks the model.
        """
        inputs = self._clipped(columns, found)
        falling = [row for row, outliers in found.items() if any(one.policy == "fall_back" for one in outliers)]
        if not falling:
            return Treated(dict(predict(inputs)), inputs)
        outputs = {name: np.repeat(value, row_count, axis=0) for name, value in self._fallback.items()}
        staying = np.setdiff1d(np.arange(row_count), falling).tolist()
        if staying:
            for name, values in predict({name: _only(values, staying) for name, values in inputs.items()}).items():
                outputs[name][staying] = values
        return Treated(outputs, inputs)

    def _outlier(self, place: int, value: float) -> Outlier:
        limit = self._limits[place]
        nearest = self._low[place, 0] if value < self._low[place, 0] else self._high[place, 0]
        return Outlier(column=limit.column, policy=limit.policy, value=value, limit=float(nearest))

    def _clipped(self, columns: Columns, found: Mapping[int, Sequence[Outlier]]) -> Columns:
        clips = [(row, one) for row, outliers in found.items() for one in outliers if one.policy == "clip"]
        if not clips:
            return columns
        inputs = {name: columns[name] for name in columns}
        for name in {one.column for _, one in clips}:
            inputs[name] = columns[name].copy()  # the asker's own stay what they were asked as
        for row, one in clips:
            if abs(one.limit - one.value) > abs(inputs[one.column][row] - one.value):  # the narrower of two limits
                inputs[one.column][row] = int(one.limit) if one.column in self._integers else one.limit
        return inputs


def treatment_of(limits: ServedLimits | None, signature: Signature) -> OutlierTreatment | None:
    """How a package treats outliers; None when it has no limit to find them by."""
    if limits is None or all(one.low is None and one.high is None for one in limits.limits):
        return None
    return OutlierTreatment(limits, signature)


def first_refused(found: Mapping[int, Sequence[Outlier]], *, first_row: int = 0) -> str:
    """The first row that a limit refuses, in words; empty when all may be answered.

    Args:
        first_row: the number of the first of the rows.
    """
    for row, outliers in found.items():
        for one in outliers:
            if one.policy == "refuse":
                return f"row {first_row + row:,} is refused as an outlier: {one}"
    return ""


def fallback_answer(fallback: Sequence[float], signature: Signature) -> dict[str, np.ndarray]:
    """The answer to one row that falls back, as the model would give it: its label follows from the probabilities.

    Example:
        >>> from tidewheel.model_package import Field
        >>> from tidewheel.model_package.signature import OutputField
        >>> outputs = (OutputField(name="label", kind="integer"), OutputField(name="probability", kind="float"))
        >>> field = Field(name="x", kind="float")
        >>> answer = fallback_answer([0.2], Signature(inputs=(field,), outputs=outputs, task="binary", classes=(0, 1)))
        >>> {name: one.tolist() for name, one in answer.items()}
        {'label': [0], 'probability': [0.2]}
    """
    told = np.array([fallback], dtype=np.float64)
    return labelled(told if signature.task == "multiclass" else told[:, 0], signature)


def _only(values: Any, rows: list[int]) -> Any:
    return values[rows] if isinstance(values, np.ndarray) else [values[row] for row in rows]
