"""What the gate lets through, and what it refuses in words."""

from __future__ import annotations

from datetime import date

import pandas as pd
import pyarrow as pa
import pytest
from flights.features import as_categories
from flights.project import GATE
from flights.steps.data_preparation import Splits, data_preparation
from flights.steps.model_training import new_model

from tidewheel.core.records import Verdict
from tidewheel.model_package import Champion, Package
from tidewheel.steps.model_packaging import model_packaging
from tidewheel.steps.model_validation import model_validation

SHAPE = {"rounds": 60, "learning_rate": 0.1, "leaves": 15, "smallest_leaf": 20, "seed": 1}


@pytest.fixture(scope="module")
def splits(joined: pa.Table) -> Splits:
    return data_preparation(joined, date(2013, 6, 8), test_days=20, validation_days=1)


@pytest.fixture(scope="module")
def good(splits: Splits) -> Package:
    return packaged(splits, splits.train)


def packaged(splits: Splits, train: pd.DataFrame) -> Package:
    return model_packaging(new_model(**SHAPE).fit(as_categories(train), train["label"]), splits.sample)


def judged(candidate: Package, splits: Splits, champion: Champion | None) -> Verdict:
    return model_validation(candidate, splits.test, champion, splits.train, gate=GATE)


def test_a_model_that_has_learned_something_passes(good: Package, splits: Splits) -> None:
    verdict = judged(good, splits, None)
    assert verdict.passed, [check.message for check in verdict.checks if not check.passed]
    assert len(verdict.checks) > 10


def test_a_model_that_is_worse_for_one_airport_is_refused_and_the_airport_named(good: Package, splits: Splits) -> None:
    train = splits.train.copy()
    here = train["origin"] == "LGA"
    train.loc[here, "label"] = 1 - train.loc[here, "label"]
    verdict = judged(packaged(splits, train), splits, Champion("flight-delay", 1, good))
    refused = {check.name: check.message for check in verdict.checks if not check.passed}
    assert any("LGA" in message for message in refused.values())
    assert not any("EWR" in message or "JFK" in message for message in refused.values())


def test_rows_that_were_learned_from_judge_nothing(good: Package, splits: Splits) -> None:
    mixed = pd.concat([splits.test, splits.train.head(50)], ignore_index=True)
    verdict = model_validation(good, mixed, None, splits.train, gate=GATE)
    refused = [check.message for check in verdict.checks if not check.passed]
    assert any("50 of" in message for message in refused), refused
