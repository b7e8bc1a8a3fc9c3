"""A million inputs beside every boundary: model, batch and edge give the same class to each (M5).

The inputs are made by the generator that packaging proves a form with, from other seeds. The edge bundle answers in
Node, a process of its own without Python.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from node import in_node
from tidewheel.deployment.edge_bundle import write_edge_bundle
from tidewheel.model_package import package_model
from tidewheel.model_package.arrow_model import ArrowModel
from tidewheel.model_package.boundary_rows import boundary_rows
from tidewheel.model_package.conversion import Conversion, Converter
from tidewheel.model_package.forest_conversion import ForestConverter
from tidewheel.model_package.jump_rows import jump_rows
from tidewheel.model_package.native_model import frame_of
from tidewheel.model_package.original_model import OriginalModel
from tidewheel.model_package.pipeline_conversion import PipelineConverter

Columns = dict[str, list[Any]]

TEXTS = ["carrier", "origin", "dest"]
ROWS_AT_ONCE = 50_000
JUMP_SEARCHES = 10
TRAINED_ROWS = 4_000


def flights(count: int, seed: int) -> pd.DataFrame:
    """Twelve features like those of the flights: whole numbers, numbers and texts with gaps, a truth value."""
    source = np.random.default_rng(seed)

    def gaps(values: Any, share: float = 0.08) -> pd.Series:
        return pd.Series(values).where(source.random(count) >= share)

    return pd.DataFrame(
        {
            "month": source.integers(1, 13, count),
            "hour": source.integers(5, 24, count),
            "minute": source.integers(0, 60, count),
            "distance": gaps(source.gamma(3, 350, count).round()),
            "temp": gaps(source.normal(30, 9, count).round(2)),
            "wind_speed": gaps(source.gamma(3, 3.5, count).round() * 1.15078),
            "visib": gaps(source.choice([10, 9, 5, 2.5, 0.25], count)),
            "congestion": gaps(source.exponential(12, count)),
            "is_holiday": source.random(count) < 0.05,
            "carrier": gaps(source.choice(["UA", "B6", "EV", "DL", "AA", "MQ", "Ü2"], count)),
            "origin": gaps(source.choice(["JFK", "LGA", "EWR"], count), 0.01),
            "dest": gaps(source.choice([f"D{number:02}" for number in range(90)], count)),
        }
    )


def punctuality(x: pd.DataFrame) -> np.ndarray:
    late = 0.08 * (x["hour"] - 14) + 0.04 * (x["congestion"].fillna(12) - 12) + 0.6 * (x["carrier"] == "EV")
    late += 0.8 * (x["visib"].fillna(10) < 3) + 0.2 * np.sin(x["distance"].fillna(900) / 100)
    share = 1 / (1 + np.exp(1.6 - late))
    return np.where(np.random.default_rng(9).random(len(x)) < share, "late", "punctual")


def scaled(model: Any) -> Any:
    """The model behind the usual preparation: imputed and scaled numbers, encoded texts."""
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    texts = make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore"))
    return make_pipeline(make_column_transformer((texts, TEXTS), remainder=numbers), model)


BOOSTING = HistGradientBoostingClassifier(max_iter=60, max_leaf_nodes=15, categorical_features="from_dtype")
FOREST = RandomForestClassifier(n_estimators=20, max_depth=10, random_state=1, n_jobs=1)
MODELS: dict[str, tuple[Any, Converter, int]] = {
    "boosting with categories": (BOOSTING, ForestConverter(), 400_000),
    "a scaler and a linear model": (scaled(LogisticRegression(max_iter=500)), PipelineConverter(), 300_000),
    "a scaler and a forest": (scaled(FOREST), PipelineConverter(), 300_000),
}
"""With the converter that packaging takes, and how many inputs: a million together."""


def inputs(original: OriginalModel, conversion: Conversion, count: int) -> Iterator[Columns]:
    """Jump rows where packaging looks for them, and boundary rows, from seeds that packaging does not use."""

    def probability(frame: pd.DataFrame) -> np.ndarray:
        return original.answers(conversion.signature, frame)["probability"].reshape(-1, 1)

    made: Columns = {field.name: [] for field in conversion.signature.inputs}
    seeds = iter(range(1, count))
    for seed in range(1, 1 + JUMP_SEARCHES * conversion.is_searched):
        extend(made, jump_rows(probability, conversion.signature, original.rows, seed=seed))
    while count:
        room = min(count, ROWS_AT_ONCE)
        while len(made["hour"]) < room:
            extend(made, boundary_rows(conversion.values, original.rows, seed=next(seeds)))
        yield {name: values[:room] for name, values in made.items()}
        made = {name: values[room:] for name, values in made.items()}
        count -= room


def extend(made: Columns, more: Columns) -> None:
    for name, values in made.items():
        values += more[name]


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", MODELS)
def test_of_a_million_inputs_none_has_another_class(name, edge_cache, tmp_path):
    estimator, converter, count = MODELS[name]
    x = flights(TRAINED_ROWS, 1)
    if estimator is BOOSTING:
        x = x.astype(dict.fromkeys(TEXTS, "category"))
    model = estimator.fit(x, punctuality(x))
    sample = x.head(2_000)
    package = package_model(model, sample)
    assert (package.runtime, package.manifest.converter) == ("onnx", converter.name)
    write_edge_bundle(package, tmp_path / "bundle", model="m", version=1, cache=edge_cache)
    batch, original = ArrowModel(package), OriginalModel(model, sample)
    conversion = converter.convert(original)
    asked, other, furthest = 0, {"batch": 0, "edge": 0}, {"batch": 0.0, "edge": 0.0}
    for columns in inputs(original, conversion, count):
        said = original.answers(conversion.signature, frame_of(conversion.signature, columns))
        (tmp_path / "rows.json").write_text(json.dumps(columns))
        done = in_node(tmp_path / "bundle", str(tmp_path / "rows.json"))
        assert done.returncode == 0, done.stderr
        found = {
            "edge": json.loads(done.stdout),
            "batch": batch.predict(pa.RecordBatch.from_pydict(columns)).to_pydict(),
        }
        for place, answers in found.items():
            other[place] += int((np.array(answers["label"]) != said["label"]).sum())
            gap = np.abs(np.array(answers["probability"]) - said["probability"]).max()
            furthest[place] = max(furthest[place], float(gap))
        asked += len(said["label"])
    assert (asked, other) == (count, {"batch": 0, "edge": 0})
    assert max(furthest.values()) < 1e-12


def test_there_are_a_million_inputs():
    assert sum(count for _, _, count in MODELS.values()) == 1_000_000
