"""Conversions that users found wrong in production are refused: by the converter that made them, on models like theirs.

microsoft/onnxruntime #4130: before a forest, a scaler that multiplies by the inverse in float32. onnx/sklearn-onnx
#1192: HistGradientBoosting, whose thresholds in double were written in float32.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from skl2onnx.common import _container
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tidewheel.model_package import package_model
from tidewheel.model_package.signature import columns_of
from tidewheel.model_package.skl2onnx_conversion import Skl2onnxConverter

ROWS = 500
SOURCE = np.random.default_rng(0)
X = pd.DataFrame({"distance": SOURCE.normal(size=ROWS) * 700 + 900, "delay": SOURCE.normal(size=ROWS)})
Y = X["distance"] / 1000 + X["delay"]


@pytest.fixture
def converts_boosting(monkeypatch):
    """skl2onnx 1.20 hands truth values to onnx 1.23 in place of whole numbers, and fails; here they are mended."""
    make_node = _container.make_node

    def whole(value: Any) -> Any:
        is_list = isinstance(value, list | tuple) and any(isinstance(one, bool | np.bool_) for one in value)
        return [int(one) for one in value] if is_list else value

    def mended(*arguments: Any, **attributes: Any) -> Any:
        return make_node(*arguments, **{name: whole(value) for name, value in attributes.items()})

    monkeypatch.setattr(_container, "make_node", mended)


def assert_refused(model: Any, converter: str) -> None:
    refused = package_model(model, X, converters=[Skl2onnxConverter()])
    assert refused.runtime == "sklearn"
    assert "skl2onnx: the ONNX form differs by 0." in refused.manifest.reason
    ours = package_model(model, X)
    assert (ours.runtime, ours.manifest.converter) == ("onnx", converter)
    np.testing.assert_allclose(ours.open().predict(columns_of(X))["prediction"], model.predict(X), atol=1e-12)


def test_a_scaler_that_multiplies_in_float32_before_a_forest():
    forest = RandomForestRegressor(n_estimators=10, random_state=0, n_jobs=1)
    assert_refused(make_pipeline(StandardScaler(), forest).fit(X, Y), "pipeline")


def test_thresholds_of_boosting_in_float32(converts_boosting):
    assert_refused(HistGradientBoostingRegressor(max_iter=20).fit(X, Y), "forest")
