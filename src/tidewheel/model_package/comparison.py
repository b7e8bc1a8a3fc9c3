"""The comparison of a form with its model: on real rows, and on rows that were made to find a difference."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from tidewheel.core.errors import ConversionError
from tidewheel.model_package.boundary_rows import boundary_rows
from tidewheel.model_package.conversion import Conversion
from tidewheel.model_package.jump_rows import jump_rows
from tidewheel.model_package.native_model import frame_of
from tidewheel.model_package.original_model import OriginalModel
from tidewheel.model_package.package import PackageModel
from tidewheel.model_package.parity import ParityReport, largest_difference
from tidewheel.model_package.signature import Signature, columns_of

_Answers = dict[str, np.ndarray]


class Comparison:
    """Puts the same rows to the model and to a form of it.

    Args:
        original: the model with its sample.
        held_out: more real rows.
        tolerance: the largest difference that counts as equal.
    """

    def __init__(self, original: OriginalModel, held_out: pd.DataFrame | None, tolerance: float) -> None:
        self.tolerance = tolerance
        self._original = original
        self._held_out = original.taken(held_out) if held_out is not None else original.rows.iloc[:0]

    def of_conversion(self, form: PackageModel, conversion: Conversion) -> ParityReport:
        """On the sample, the held-out rows, boundary rows and jump rows."""
        with _single_threads():
            return self._of_conversion(form, conversion)

    def of_native(self, form: PackageModel, signature: Signature) -> ParityReport:
        """On the sample as it was given, and the held-out rows."""
        with _single_threads():
            return self._report(self._of_real_rows(form, signature, self.tolerance), self.tolerance)

    def _of_conversion(self, form: PackageModel, conversion: Conversion) -> ParityReport:
        signature, rows = conversion.signature, self._original.rows
        made = [boundary_rows(conversion.values, rows)]
        if conversion.is_searched:
            made.append(jump_rows(lambda frame: self._numbers(signature, frame), signature, rows))
        tolerance = max(self.tolerance, conversion.rounding)
        counts = [len(next(iter(columns.values()), [])) for columns in made]
        worst = self._of_real_rows(form, signature, tolerance)
        for columns in (columns for columns, count in zip(made, counts, strict=True) if count):
            if worst <= tolerance:
                worst = max(worst, self._of_columns(form, signature, columns, tolerance))
        return self._report(worst, tolerance, boundary_count=counts[0], jump_count=sum(counts[1:]))

    def _of_real_rows(self, form: PackageModel, signature: Signature, tolerance: float) -> float:
        said = self._quietly(signature)
        worst = _difference(said, form.predict(columns_of(self._original.rows)), tolerance)
        if len(self._held_out):
            worst = max(worst, self._of_columns(form, signature, columns_of(self._held_out), tolerance))
        return worst

    def _of_columns(
        self, form: PackageModel, signature: Signature, columns: dict[str, list[Any]], tolerance: float
    ) -> float:
        try:
            said = self._quietly(signature, frame_of(signature, columns))
        except (ValueError, TypeError, KeyError) as error:  # what estimators raise for a value that they do not know
            told = str(error).splitlines() or [repr(error)]
            raise ConversionError(f"the model refuses rows to compare: {told[0]}") from None
        return _difference(said, form.predict(columns), tolerance)

    def _numbers(self, signature: Signature, frame: pd.DataFrame) -> np.ndarray:
        said = self._quietly(signature, frame)
        main = said.get("probability", said.get("prediction"))
        return np.asarray(main).reshape(len(frame), -1)

    def _quietly(self, signature: Signature, frame: pd.DataFrame | None = None) -> _Answers:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # that a category is unknown, which is why it is asked
            return self._original.answers(signature, frame)

    def _report(self, worst: float, tolerance: float, *, boundary_count: int = 0, jump_count: int = 0) -> ParityReport:
        return ParityReport(
            sample_rows=len(self._original.rows),
            held_out_rows=len(self._held_out),
            boundary_rows=boundary_count,
            jump_rows=jump_count,
            maximum_difference=worst,
            tolerance=tolerance,
        )


def _single_threads() -> Any:
    """Threads that wait for each other cost more than small batches gain."""
    return threadpool_limits(limits=1, user_api="openmp")


def _difference(expected: _Answers, answers: _Answers, tolerance: float) -> float:
    """Of probabilities and predictions, and of labels where no two classes tie: there the last bit would decide."""
    worst = largest_difference({name: one for name, one in expected.items() if name != "label"}, answers)
    if "label" not in expected or not worst <= tolerance:
        return worst
    said = expected["probability"]
    if said.shape[1:] == (1,):  # one class: nothing to decide
        return worst
    ranked = np.sort(said if said.ndim == 2 else np.column_stack([said, 1 - said]), axis=1)
    is_clear = ranked[:, -1] - ranked[:, -2] > 2 * tolerance
    return max(worst, largest_difference({"label": expected["label"][is_clear]}, {"label": answers["label"][is_clear]}))
