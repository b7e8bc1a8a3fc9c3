"""Chunks of a batch prediction, in memory."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from tidewheel.core.errors import SchemaMismatchError
from tidewheel.prediction_service.batch_prediction import BatchPrediction


class Doubling:
    """A model of one feature that takes no null."""

    def predict(self, rows, first_row=0):
        if rows["x"].null_count:
            raise SchemaMismatchError(f"row {first_row + rows['x'].to_pylist().index(None)} has null")
        return pa.record_batch({"twice": np.asarray(rows["x"]) * 2})


@pytest.mark.parametrize("bad", [20, 25, 39])
def test_all_chunks_before_a_row_that_does_not_fit_are_written(bad):
    rows = pa.record_batch({"x": pa.array([None if n == bad else float(n) for n in range(60)])})
    written = []
    prediction = BatchPrediction(Doubling(), ["x"], threads=2, chunk_rows=10)
    with pytest.raises(SchemaMismatchError, match=f"row {bad} has null"):
        prediction.carry_out([rows], written.append)
    answered = pa.concat_tables(written)["twice"].to_pylist()
    assert answered == [2.0 * n for n in range(bad // 10 * 10)]
