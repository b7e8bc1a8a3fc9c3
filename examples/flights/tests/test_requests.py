from __future__ import annotations

import json
from datetime import date

import pandas as pd
import pyarrow as pa
import pytest
from flights.features import FEATURES
from flights.requests import labels, payload, payloads, rows_between


@pytest.fixture(scope="module")
def asked(joined: pa.Table) -> pd.DataFrame:
    return rows_between(joined.to_pandas(), date(2013, 5, 10), date(2013, 5, 12))


def test_all_scheduled_flights_are_asked_about_and_only_the_arrived_get_labels(asked: pd.DataFrame) -> None:
    rows = asked
    assert len(rows) == 180
    truth = labels(rows)
    assert len(truth) == rows["label"].notna().sum() < len(rows)
    assert truth["at"].is_monotonic_increasing
    assert set(truth["prediction_id"]) < set(rows["flight_id"])
    assert set(truth["label"]) == {0, 1}


def test_a_request_is_json_with_every_feature_and_the_flights_ids(asked: pd.DataFrame) -> None:
    rows = asked
    request = json.loads(json.dumps(payload(rows), allow_nan=False))
    assert [tensor["name"] for tensor in request["inputs"]] == list(FEATURES)
    assert request["parameters"]["prediction_ids"] == rows["flight_id"].tolist()
    assert {tensor["datatype"] for tensor in request["inputs"]} == {"INT64", "FP64", "BYTES"}
    assert all(tensor["shape"] == [180, 1] and len(tensor["data"]) == 180 for tensor in request["inputs"])


def test_unknown_values_are_null(asked: pd.DataFrame) -> None:
    rows = asked
    ages = next(tensor for tensor in payload(rows)["inputs"] if tensor["name"] == "plane_age")["data"]
    assert [age is None for age in ages] == rows["plane_age"].isna().tolist()


def test_requests_have_a_size_and_miss_nobody(asked: pd.DataFrame) -> None:
    rows = asked
    parts = [request["parameters"]["prediction_ids"] for request in payloads(rows, size=50)]
    assert [len(part) for part in parts] == [50, 50, 50, 30]
    assert [flight_id for part in parts for flight_id in part] == rows["flight_id"].tolist()
