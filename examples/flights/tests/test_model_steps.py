from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from flights.baseline import BASELINE, late_share_by_carrier_and_hour
from flights.features import as_categories
from flights.scores import calibration_error, score
from flights.steps.data_preparation import Splits, data_preparation
from flights.steps.model_training import Training, model_training
from flights.steps.model_tuning import answer, model_tuning


@pytest.fixture(scope="module")
def splits(joined: pa.Table) -> Splits:
    return data_preparation(joined, date(2013, 6, 8), test_days=10, validation_days=5)


@pytest.fixture(scope="module")
def trained(splits: Splits) -> Training:
    return model_training(splits.train, splits.validation, rounds=40, smallest_leaf=20)


def test_training_twice_gives_the_same_model(splits: Splits, trained: Training) -> None:
    again = model_training(splits.train, splits.validation, rounds=40, smallest_leaf=20)
    assert again.model.booster_.model_to_string() == trained.model.booster_.model_to_string()
    assert again.metrics == trained.metrics


def test_the_model_learns_that_storms_delay(splits: Splits, trained: Training) -> None:
    learned = answer(trained.model, splits.test)
    assert (
        learned["roc_auc"] > 0.65 > score(splits.test["label"].to_numpy(), splits.test[BASELINE].to_numpy())["roc_auc"]
    )
    assert set(learned) == {"roc_auc", "average_precision", "log_loss", "brier_score", "calibration_error"}


def test_a_search_gives_a_model_that_can_take_the_place_of_the_trained_one(splits: Splits) -> None:
    found = model_tuning(splits.train, splits.validation, trials=3)
    assert found.trials.column("state").to_pylist() == ["succeeded"] * 3
    assert answer(found.model, splits.test)["roc_auc"] > 0.6


def test_an_airline_never_seen_counts_as_missing(splits: Splits, trained: Training) -> None:
    rows = splits.test.head(5)
    stranger = trained.model.predict_proba(as_categories(rows.assign(carrier="ZZ")))
    nobody = trained.model.predict_proba(as_categories(rows.assign(carrier=pd.Series([None] * 5, index=rows.index))))
    np.testing.assert_array_equal(stranger, nobody)


def test_perfect_and_useless_probabilities_score_as_they_should() -> None:
    labels = np.array([0, 1] * 50)
    perfect, useless = score(labels, labels.astype(float)), score(labels, np.full(100, 0.5))
    assert (perfect["roc_auc"], perfect["brier_score"], perfect["calibration_error"]) == (1.0, 0.0, 0.0)
    assert (useless["roc_auc"], useless["brier_score"], useless["calibration_error"]) == (0.5, 0.25, 0.0)


def test_calibration_error_is_the_gap_between_said_and_seen() -> None:
    random = np.random.default_rng(0)
    said = random.uniform(0.1, 0.6, 50_000)
    labels = (random.random(50_000) < said + 0.1).astype(int)
    assert calibration_error(labels, said) == pytest.approx(0.1, abs=0.01)


def test_the_baseline_knows_only_the_training_rows(splits: Splits) -> None:
    rare = pd.DataFrame({"carrier": ["UA", "ZZ"], "hour": [8, 8]})
    mean = splits.train["label"].mean()
    scores = late_share_by_carrier_and_hour(splits.train, rare)
    assert scores.iloc[1] == pytest.approx(mean)
    assert splits.test[BASELINE].between(0, 1).all()
    flipped = splits.test.assign(label=1 - splits.test["label"])
    pd.testing.assert_series_equal(
        late_share_by_carrier_and_hour(splits.train, flipped), late_share_by_carrier_and_hour(splits.train, splits.test)
    )
