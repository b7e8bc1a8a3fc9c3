"""A real server process on the loopback address: answers, refusals, the log, swaps and deaths."""

from __future__ import annotations

import fcntl
import json
import os
import random
import signal
import socket
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest
from lightgbm import LGBMClassifier

from local_endpoint import deployment, local_endpoint
from processes import is_running, wait_until
from tidewheel.artifact_store import LocalArtifactStore
from tidewheel.core.config import ServingConfig
from tidewheel.core.errors import ConflictError, DeploymentError, SchemaMismatchError, StorageError
from tidewheel.core.records import Prediction
from tidewheel.deployment import LocalDeployment, local
from tidewheel.model_package import package_model
from tidewheel.prediction_log.segments import closed_segments, recover
from tidewheel.prediction_service.client import InferenceClient
from tidewheel.workspace.codecs import codec_table

ROW = {"x": [0.5], "kind": ["a"]}


def make_package(seed: int):
    random = np.random.default_rng(seed)
    frame = pd.DataFrame({"x": random.normal(size=400), "kind": pd.Categorical(random.choice(["a", "b"], 400))})
    label = (frame["x"] + (frame["kind"] == "a") + random.normal(size=400) > 0.5).astype(int)
    model = LGBMClassifier(n_estimators=5 + seed, verbose=-1, n_jobs=1).fit(frame, label)
    return package_model(model, frame.head(50))


@pytest.fixture(scope="module")
def packages():
    return [make_package(1), make_package(2)]


@pytest.fixture
def place(tmp_path, packages):
    with local_endpoint(tmp_path, packages, is_clock_virtual=True) as place:
        yield place


def logged(tmp_path) -> list[Prediction]:
    folder = tmp_path / "prediction_log"
    recover(folder)
    lines = [line for path in closed_segments(folder) for line in path.read_bytes().splitlines()]
    return [Prediction.from_json(line) for line in lines]


def post(url: str, body: bytes, headers: dict[str, str] | None = None) -> tuple[int, dict]:
    request = urllib.request.Request(url, body, headers or {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_the_answer_is_the_package_s_and_is_in_the_log(place, packages, tmp_path):
    state = place.reconcile(deployment(place, 1))
    with InferenceClient(state.url) as client:
        answer = client.predict("model", ROW, prediction_ids=["p1"], at=datetime(2013, 4, 1, tzinfo=UTC))
    assert answer["probability"] == packages[0].open().predict(ROW)["probability"].tolist()
    place.close_segments("model")
    (row,) = logged(tmp_path)
    assert (row.id, row.version, row.at.year, row.score) == ("p1", 1, 2013, answer["probability"][0])


def tensor(name, datatype, data, shape=None):
    return {"name": name, "datatype": datatype, "shape": shape or [len(data)], "data": data}


X, KIND = tensor("x", "FP64", [0.5]), tensor("kind", "BYTES", ["a"])


def test_bad_requests_are_refused_with_the_field_and_never_logged(place, tmp_path):
    state = place.reconcile(deployment(place, 1))
    infer = f"{state.url}/v2/models/model/infer"
    bad = [
        (b"{", 400, "no infer request"),
        (b'{"inputs": [{"name": "x", "datatype": "FP64", "shape": [1], "data": [NaN]}]}', 400, "no infer request"),
        (b"\xff\xfe", 400, "no infer request"),
        (json.dumps({"inputs": [X]}).encode(), 400, "missing input 'kind'"),
        (json.dumps({"inputs": [X, KIND, tensor("y", "FP64", [1])]}).encode(), 400, "unexpected input 'y'"),
        (json.dumps({"inputs": [X, X, KIND]}).encode(), 400, "'x' comes twice"),
        (json.dumps({"inputs": [tensor("x", "FP64", ["5"]), KIND]}).encode(), 400, "field 'x' takes float"),
        (json.dumps({"inputs": [tensor("x", "BYTES", ["5"]), KIND]}).encode(), 400, "'x' takes FP64"),
        (json.dumps({"inputs": [tensor("x", "FP64", [1.0], [2]), KIND]}).encode(), 400, "shape [2] but 1 values"),
        (json.dumps({"inputs": [tensor("x", "FP64", []), tensor("kind", "BYTES", [])]}).encode(), 400, "no rows"),
        (json.dumps({"inputs": [tensor("x", "FP64", [1.0, 2.0]), KIND]}).encode(), 400, "others have"),
    ]
    for body, status, said in bad:
        found, answer = post(infer, body)
        assert found == status, body
        assert said in answer["error"]
    assert post(infer, b" " * (9 << 20))[0] == 413
    assert post(infer, b"{}", {"Content-Type": "text/csv"})[0] == 415
    assert post(f"{state.url}/v2/models/other/infer", b"{}")[0] == 404
    assert post(f"{state.url}/v2/models/model", b"{}")[0] == 405
    assert post(f"{state.url}/nowhere", b"{}")[0] == 404
    place.close_segments("model")
    assert logged(tmp_path) == []


def test_a_new_version_swaps_in_on_the_same_port_and_process(place, packages):
    before = place.reconcile(deployment(place, 1))
    with InferenceClient(before.url) as client:
        client.predict("model", ROW)
        after = place.reconcile(deployment(place, 2))
        answer = client.predict("model", ROW)
    assert (after.pid, after.url, after.version) == (before.pid, before.url, 2)
    assert answer["probability"] == packages[1].open().predict(ROW)["probability"].tolist()


def test_a_damaged_package_is_refused_and_the_old_version_goes_on(place, tmp_path):
    state = place.reconcile(deployment(place, 1))
    path = LocalArtifactStore(tmp_path / "artifacts").path_of(place.digests[1])
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(DeploymentError, match="not what was registered"):
        place.reconcile(deployment(place, 2))
    with InferenceClient(state.url) as client:
        assert client.predict("model", ROW)["label"] in ([0], [1])


def test_a_package_that_fails_in_a_way_nobody_thought_of_is_told_in_the_state_and_ends_nothing(place, tmp_path):
    """A folder where the package's file should be: an error of the system, not one of Tidewheel's."""
    before = place.reconcile(deployment(place, 1))
    path = LocalArtifactStore(tmp_path / "artifacts").path_of(place.digests[1])
    kept = path.rename(tmp_path / "kept")
    path.mkdir()
    with pytest.raises(DeploymentError, match="Is a directory"):
        place.reconcile(deployment(place, 2))
    state = place.state("model")
    assert (state.status, state.version, state.pid, state.is_alive) == ("refused", 1, before.pid, True)
    assert place.digests[1] in state.message
    assert "Is a directory" in state.message
    with InferenceClient(state.url) as client:
        assert client.predict("model", ROW)["label"] in ([0], [1])
    path.rmdir()
    kept.rename(path)
    after = place.reconcile(deployment(place, 2))
    assert (after.status, after.version, after.pid, after.message) == ("ready", 2, before.pid, "")


def wait_for_death(place, pid: int) -> None:
    """Until the kernel has let go of all that a killed server had: of the endpoint's lock first, of the log's later."""
    wait_until(lambda: not is_running(pid))
    assert place.state("model").status == "dead"


@pytest.mark.parametrize("kills", [6, pytest.param(20, marks=[pytest.mark.slow, pytest.mark.timeout(300)])])
def test_after_kills_the_log_holds_what_was_answered_and_nothing_else(place, tmp_path, kills):
    answered: list[str] = []
    for moment in range(kills):
        state = place.reconcile(deployment(place, 1))
        until = time.monotonic() + random.Random(moment).uniform(0.0, 0.3)
        with InferenceClient(state.url) as client:
            while time.monotonic() < until:
                answered += client.predict("model", ROW, prediction_ids=[f"p{len(answered)}"])["prediction_id"]
            os.kill(state.pid, signal.SIGKILL)
            with pytest.raises(DeploymentError):
                client.predict("model", ROW, prediction_ids=["after"])
        wait_for_death(place, state.pid)
        assert sorted(row.id for row in logged(tmp_path)) == sorted(answered)
    assert place.reconcile(deployment(place, 1)).url == state.url


def test_a_port_in_use_is_told_with_the_next_step(tmp_path, packages):
    store = LocalArtifactStore(tmp_path / "artifacts", codec_table())
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        place = LocalDeployment(
            tmp_path / "endpoints",
            artifacts=store,
            serving=ServingConfig(port=taken.getsockname()[1]),
            server_module="tidewheel.prediction_service.server",
            is_clock_virtual=False,
        )
        place.digests = [store.put(packages[0]).digest]
        with pytest.raises(DeploymentError, match=r"cannot be listened on(.|\n)*serving\.port"):
            place.reconcile(deployment(place, 1))


def test_the_client_raises_what_the_server_says(place):
    state = place.reconcile(deployment(place, 1))
    with InferenceClient(state.url) as client, pytest.raises(SchemaMismatchError, match="missing input 'kind'"):
        client.predict("model", {"x": [1.0]})


def test_a_repeated_id_gets_the_recorded_answer_and_is_in_the_log_once(place, packages, tmp_path):
    """Within a segment, after it was closed, after a swap, after kill -9, and after the log was moved away."""
    state = place.reconcile(deployment(place, 1))
    two = {"x": [0.5, -1.0], "kind": ["a", None]}
    with InferenceClient(state.url) as client:
        first = client.predict("model", two, prediction_ids=["a", "b"])
        assert client.predict("model", two, prediction_ids=["a", "b"]) == first
        place.close_segments("model")
        turned = {"x": [-1, 0.5], "kind": [None, "a"]}
        assert client.predict("model", turned, prediction_ids=["b", "a"])["probability"] == first["probability"][::-1]
        place.reconcile(deployment(place, 2))
        assert client.predict("model", two, prediction_ids=["a", "b"]) == first
        fresh = client.predict("model", ROW, prediction_ids=["c"])
        assert fresh["probability"] == packages[1].open().predict(ROW)["probability"].tolist()
        os.kill(state.pid, signal.SIGKILL)
    wait_for_death(place, state.pid)
    state = place.reconcile(deployment(place, 1))
    for path in closed_segments(tmp_path / "prediction_log"):
        path.rename(tmp_path / path.name)  # moved into the table
    with InferenceClient(state.url) as client:
        assert client.predict("model", two, prediction_ids=["a", "b"]) == first
        assert client.predict("model", ROW, prediction_ids=["c"]) == fresh
    place.close_segments("model")
    assert logged(tmp_path) == []
    rows = [json.loads(line) for path in tmp_path.glob("*.jsonl") for line in path.read_text().splitlines()]
    assert sorted((row["id"], row["version"]) for row in rows) == [("a", 1), ("b", 1), ("c", 2)]


def test_a_request_may_repeat_some_rows_of_the_version_that_serves(place, packages, tmp_path):
    state = place.reconcile(deployment(place, 1))
    with InferenceClient(state.url) as client:
        client.predict("model", ROW, prediction_ids=["a"])
        three = {"x": [0.1, 0.5, 0.9], "kind": ["b", "a", None]}
        answer = client.predict("model", three, prediction_ids=["n1", "a", "n2"])
        assert answer["probability"] == packages[0].open().predict(three)["probability"].tolist()
        place.reconcile(deployment(place, 2))
        with pytest.raises(ConflictError, match="'a' by v1"):
            client.predict("model", three, prediction_ids=["n3", "a", "n4"])
    place.close_segments("model")
    assert sorted(row.id for row in logged(tmp_path)) == ["a", "n1", "n2"]


def test_an_id_with_other_inputs_is_refused(place, tmp_path):
    state = place.reconcile(deployment(place, 1))
    infer = f"{state.url}/v2/models/model/infer"
    ask = {"id": "r1", "inputs": [X, KIND]}
    status, answer = post(infer, json.dumps(ask).encode())
    assert (status, answer["id"], answer["parameters"]["prediction_ids"]) == (200, "r1", ["r1"])
    assert post(infer, json.dumps(ask).encode()) == (200, answer)
    status, refusal = post(infer, json.dumps(ask | {"inputs": [tensor("x", "FP64", [0.6]), KIND]}).encode())
    assert (status, "'r1' was answered for other inputs" in refusal["error"]) == (409, True)
    twice = {"inputs": [tensor("x", "FP64", [1, 1]), tensor("kind", "BYTES", ["a", "a"])]}
    status, refusal = post(infer, json.dumps(twice | {"parameters": {"prediction_ids": ["d", "d"]}}).encode())
    assert (status, "different texts" in refusal["error"]) == (400, True)
    place.close_segments("model")
    assert [row.id for row in logged(tmp_path)] == ["r1"]


def test_a_damaged_index_of_answers_is_told_and_nothing_is_answered(place, tmp_path):
    state = place.reconcile(deployment(place, 1))
    (tmp_path / "prediction_log").mkdir(exist_ok=True)
    (tmp_path / "prediction_log" / "answered.db").write_bytes(b"no database at all" * 1000)
    with InferenceClient(state.url) as client, pytest.raises(StorageError, match="index of answered"):
        client.predict("model", ROW, prediction_ids=["a"])
    assert logged(tmp_path) == []


def test_an_endpoint_that_is_only_starting_is_taken_down_and_nobody_else(place, tmp_path, monkeypatch):
    """Its process says its number late; until then there is nobody to signal."""
    monkeypatch.setattr(place, "_await", lambda *_, **__: place.state("model"))
    state = place.reconcile(deployment(place, 1))
    assert state.status in ("starting", "dead", "ready")
    place.close_segments("model")
    place.take_down("model")
    assert place.state("model") is None
    assert place.list() == []


def test_an_old_failure_does_not_count_for_a_new_start(place, tmp_path):
    place.reconcile(deployment(place, 1))
    place.take_down("model")
    (tmp_path / "endpoints" / "model" / "failed").write_text("an earlier failure")
    assert place.reconcile(deployment(place, 1)).status == "ready"


def test_a_server_that_is_still_starting_serves_what_was_desired_last(place, tmp_path, monkeypatch):
    """It has read the first version, whose deployment was cut short, and has not said that it serves it."""
    with monkeypatch.context() as patch:
        patch.setattr(place, "_await", lambda *_, **__: place.state("model"))
        place.reconcile(deployment(place, 1))
    folder = tmp_path / "endpoints" / "model"
    wait_until(lambda: local._is_locked(folder / "server.lock"))  # taken a moment before what is desired is read
    time.sleep(0.02)  # so that it has read it; if it has not, it reads the second version at once
    assert place.reconcile(deployment(place, 2)).version == 2


def test_a_server_that_ends_before_it_saw_what_is_desired_is_followed_by_another(place, tmp_path):
    folder = tmp_path / "endpoints" / "model"
    folder.mkdir(parents=True)
    with (folder / "server.lock").open("ab") as lock, ThreadPoolExecutor() as pool:
        fcntl.flock(lock, fcntl.LOCK_EX)  # as one does that answers its last requests
        coming = pool.submit(place.reconcile, deployment(place, 1))
        wait_until((folder / "desired.json").exists)
        fcntl.flock(lock, fcntl.LOCK_UN)
        assert coming.result().status == "ready"
