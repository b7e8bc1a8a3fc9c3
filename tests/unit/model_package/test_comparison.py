"""What a model says to rows that it does not know is told as a reason, and a fault of its own is not hidden."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator

from tidewheel.core.errors import ConversionError
from tidewheel.model_package.comparison import Comparison
from tidewheel.model_package.original_model import OriginalModel
from tidewheel.model_package.signature import infer_signature

KNOWN = pd.DataFrame({"a": [1.0, 2.0, 3.0]})
UNKNOWN = pd.DataFrame({"a": [4.0, 100.0]})


class Doubling(BaseEstimator):
    """Doubles what it knows, and raises what it was given for larger numbers."""

    def __init__(self, error):
        self.error = error

    def fit(self, rows):
        self.feature_names_in_ = np.array(list(rows.columns), dtype=object)
        self.largest_ = 10.0
        return self

    def predict(self, rows):
        if (rows["a"] > self.largest_).any():
            raise self.error
        return 2 * rows["a"].to_numpy()


def compared(error, held_out):
    original = OriginalModel(Doubling(error).fit(KNOWN), KNOWN)
    form = SimpleNamespace(predict=lambda columns: {"prediction": 2 * np.array(columns["a"])})
    return Comparison(original, held_out, 1e-9).of_native(form, infer_signature(KNOWN, "regression", ()))


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ValueError("found unknown categories\nin column 0"), "found unknown categories"),
        (TypeError("not a number"), "not a number"),
        (KeyError("carrier"), "'carrier'"),
        (ValueError(), "ValueError()"),
    ],
    ids=["value", "type", "key", "without words"],
)
def test_rows_that_the_model_refuses_are_a_reason_in_one_line(error, told):
    with pytest.raises(ConversionError) as caught:
        compared(error, UNKNOWN)
    assert caught.value.what == f"the model refuses rows to compare: {told}"


def test_another_failure_of_the_model_is_not_taken_for_a_refusal():
    with pytest.raises(ZeroDivisionError):
        compared(ZeroDivisionError(), UNKNOWN)


def test_rows_that_the_model_knows_are_compared():
    report = compared(ValueError(), UNKNOWN[:1])
    assert (report.sample_rows, report.held_out_rows, report.maximum_difference) == (3, 1, 0.0)
