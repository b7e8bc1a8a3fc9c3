"""Each policy about outliers, enacted by a real endpoint, told in its answer, its log and its state."""

from __future__ import annotations

import json
import urllib.error
import urllib.request

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.linear_model import LogisticRegression

from local_endpoint import deployment, local_endpoint
from processes import wait_until
from tidewheel.core.errors import SchemaMismatchError
from tidewheel.core.records import Prediction
from tidewheel.model_package.arrow_model import ArrowModel
from tidewheel.pipeline import ColumnLimit
from tidewheel.prediction_log.segments import closed_segments
from tidewheel.prediction_service.client import InferenceClient
from tidewheel.steps.model_packaging import model_packaging

POLICIES = ("flag", "quarantine", "clip", "refuse", "fall_back")
USUAL = dict.fromkeys(POLICIES, 0.25)
FALLBACK = 0.125


@pytest.fixture(scope="module")
def packages():
    """With a limit on each input, which is named like its policy; and without any."""
    random = np.random.default_rng(3)
    frame = pd.DataFrame({name: random.uniform(-1, 1, 500) for name in POLICIES})
    frame["kind"] = 0.0
    model = LogisticRegression().fit(frame, frame.sum(axis=1) + random.normal(size=500) > 0)
    limits = tuple(ColumnLimit(name, policy=name, place="serving", quantile=0.001) for name in POLICIES)
    limits += (ColumnLimit("kind", policy="refuse", place="serving"),)  # all the same, so that no limit is learned
    return (
        model_packaging(model, frame.head(50), None, frame, limits=limits, fallback=(FALLBACK,)),
        model_packaging(model, frame.head(50)),
    )


@pytest.fixture
def place(tmp_path, packages):
    with local_endpoint(tmp_path, packages, is_clock_virtual=False) as place:
        yield place


def rows(*wild: str, value: float = 9.0) -> dict[str, list[float]]:
    """For each name a row in which that input is far out; an empty name is a usual row."""
    columns = {name: [value if name == one else 0.25 for one in wild] for name in POLICIES}
    return columns | {"kind": [5.0 for _ in wild]}


def logged(place, tmp_path) -> dict[str, Prediction]:
    place.close_segments("model")
    lines = [line for path in closed_segments(tmp_path / "prediction_log") for line in path.read_bytes().splitlines()]
    return {one.id: one for one in map(Prediction.from_json, lines)}


def seen(place) -> tuple[int, dict[str, int]]:
    state = place.state("model")
    return state.judged_count, {one.policy: one.count for one in state.outliers}


def test_each_policy_is_enacted_told_logged_and_counted(place, packages, tmp_path):
    model = packages[1].open()
    state = place.reconcile(deployment(place, 1))
    assert (state.judged_count, state.outliers) == (0, ())
    asked = rows("", "flag", "quarantine", "clip", "fall_back")
    ids = ["usual", "flag", "quarantine", "clip", "fall_back"]
    high = {one.column: one.high for one in packages[0].limits.limits}
    with InferenceClient(state.url) as client:
        answer = client.predict("model", asked, prediction_ids=ids)
        assert client.predict("model", asked, prediction_ids=ids) == answer, "a repeated request is told the same"
        with pytest.raises(SchemaMismatchError, match="row 1 is refused as an outlier: refuse is 9, beyond 0.9"):
            client.predict("model", rows("", "refuse"), prediction_ids=["r0", "r1"])
        usual = client.predict("model", rows(""), prediction_ids=["alone"])
    assert "outliers" not in usual
    told = [[(one["column"], one["policy"], one["value"], one["limit"]) for one in row] for row in answer["outliers"]]
    assert told == [[(name, name, 9.0, high[name])] if name != "usual" else [] for name in ids]
    expected = dict(asked) | {"clip": [0.25, 0.25, 0.25, high["clip"], 0.25]}
    probability = model.predict(expected)["probability"].tolist()
    assert answer["probability"] == [*probability[:4], FALLBACK]
    assert answer["label"] == [*model.predict(expected)["label"].tolist()[:4], 0]

    log = logged(place, tmp_path)
    assert sorted(log) == sorted([*ids, "alone"])
    assert {name: [one.policy for one in row.outliers] for name, row in log.items() if row.outliers} == {
        name: [name] for name in ids[1:]
    }
    assert [name for name, row in log.items() if row.is_quarantined] == ["quarantine"]
    assert (log["clip"].inputs["clip"], log["clip"].asked["clip"]) == (high["clip"], 9.0)
    assert (log["fall_back"].score, log["fall_back"].inputs["fall_back"]) == (FALLBACK, 9.0)

    wait_until(lambda: seen(place)[0] == 8)
    assert seen(place) == (8, dict.fromkeys(POLICIES, 1))
    with InferenceClient(state.url) as client:
        assert client.predict("model", asked, prediction_ids=ids) == answer, "also from the index of a closed segment"


def test_a_version_without_limits_judges_nothing_and_begins_no_count(place, tmp_path):
    state = place.reconcile(deployment(place, 1))
    with InferenceClient(state.url) as client:
        client.predict("model", rows("flag"))
        wait_until(lambda: seen(place) == (1, {"flag": 1}))
        place.reconcile(deployment(place, 2))
        assert seen(place) == (0, {})
        assert "outliers" not in client.predict("model", rows(*POLICIES))
        place.reconcile(deployment(place, 1))
        assert seen(place) == (0, {})
    assert not any(row.outliers for row in logged(place, tmp_path).values() if row.version == 2)


def test_a_value_that_does_not_fit_is_told_as_such_and_is_no_outlier(place):
    state = place.reconcile(deployment(place, 1))
    infer = f"{state.url}/v2/models/model/infer"

    def post(**changed) -> tuple[int, str]:
        columns = rows("refuse") | changed
        tensors = [{"name": name, "datatype": "FP64", "shape": [1], "data": values} for name, values in columns.items()]
        request = urllib.request.Request(
            infer, json.dumps({"inputs": tensors}).encode(), {"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request) as response:
                return response.status, ""
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)["error"]

    status, told = post()
    assert (status, "refused as an outlier" in told) == (422, True)
    for bad in ("9", None, True, [[1]]):
        status, told = post(flag=[bad])
        assert (status, "'flag'" in told) == (400, True), told
    status, told = post(refuse=["9"])
    assert (status, "'refuse' takes float" in told) == (400, True)
    assert post(refuse=[0.1])[0] == 200


def test_a_batch_is_treated_as_requests_are(place, packages):
    names = ["", "flag", "quarantine", "clip", "fall_back", "clip"]
    columns = rows(*names, value=-7.0)
    state = place.reconcile(deployment(place, 1))
    with InferenceClient(state.url) as client:
        answer = client.predict("model", columns)
    model = ArrowModel(packages[0])
    batch = model.predict(pa.record_batch(columns))
    assert batch.schema == model.answers
    found = batch.to_pydict()
    assert found["probability"] == answer["probability"]
    assert found["label"] == answer["label"]
    assert [json.loads(one or "[]") for one in found["outliers"]] == answer["outliers"]
    with pytest.raises(SchemaMismatchError, match="row 1,001 is refused as an outlier"):
        model.predict(pa.record_batch(rows("", "refuse")), 1_000)
    assert ArrowModel(packages[1]).answers.names == ["label", "probability"]
