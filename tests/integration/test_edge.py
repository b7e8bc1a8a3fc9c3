"""One model, five runtimes: package, batch, REST server, Node and headless Chromium give the same answers (R116)."""

from __future__ import annotations

import functools
import json
import os
import shutil
import signal
import subprocess
import tarfile
import threading
from contextlib import closing
from datetime import UTC, datetime
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from node import in_node
from tidewheel.artifact_store import LocalArtifactStore
from tidewheel.core.config import ServingConfig
from tidewheel.core.errors import ConversionError, DeploymentError, ParameterError, StorageError
from tidewheel.core.records import Deployment
from tidewheel.deployment import LocalDeployment, edge_runtime
from tidewheel.deployment.edge_bundle import write_edge_bundle
from tidewheel.deployment.edge_runtime import HASHES, runtime_files
from tidewheel.model_package import Package, package_model
from tidewheel.model_package.arrow_model import ArrowModel
from tidewheel.model_package.parity import largest_difference
from tidewheel.model_package.signature import columns_of
from tidewheel.prediction_service.batch_prediction import BatchPrediction
from tidewheel.prediction_service.client import InferenceClient
from tidewheel.workspace.codecs import codec_table

ROWS = 10_000
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def make_rows(count: int, seed: int) -> pd.DataFrame:
    source = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "distance": np.where(source.random(count) < 0.1, np.nan, source.normal(size=count) * 700 + 900),
            "hour": source.integers(0, 24, count),
            "is_holiday": source.random(count) < 0.1,
            "carrier": pd.Series(source.choice(["UA", "DL", "B6", "Ünïcode"], count)).where(source.random(count) < 0.9),
        }
    )


@pytest.fixture(scope="module")
def package() -> Package:
    x = make_rows(600, 1)
    y = np.where((x["distance"].fillna(0) > 800) ^ (x["carrier"] == "UA"), "late", "punctual")
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    texts = make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore"))
    prepare = make_column_transformer((numbers, ["distance", "hour", "is_holiday"]), (texts, ["carrier"]))
    return package_model(make_pipeline(prepare, GradientBoostingClassifier(n_estimators=15)).fit(x, y), x)


@pytest.fixture(scope="module")
def bundle(package, edge_cache, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("edge") / "bundle"
    write_edge_bundle(package, folder, model="flight-delay", version=3, cache=edge_cache)
    return folder


@pytest.fixture(scope="module")
def columns() -> dict[str, list]:
    return columns_of(make_rows(ROWS, 2).replace({"carrier": {"B6": "no such"}}))


def test_node_gives_the_answers_of_the_package(bundle, package, columns, tmp_path):
    (tmp_path / "rows.json").write_text(json.dumps(columns))
    done = in_node(bundle, str(tmp_path / "rows.json"), is_quick=False)
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout)
    assert len(answers["label"]) == ROWS
    assert largest_difference(package.open().predict(columns), answers) < 1e-12


def test_node_sends_missing_and_unknown_texts_of_many_where_the_model_does(edge_cache, tmp_path):
    """In a set of more than some thirty members NaN is the first category in WebAssembly, and in none on x86."""
    source = np.random.default_rng(4)
    names = [f"D{number:02}" for number in range(90)]
    x = pd.DataFrame({"to": pd.Categorical(source.choice(names, 4000), names)})
    y = source.permutation(90)[x["to"].cat.codes] % 2 ^ (source.random(4000) < 0.1)
    model = HistGradientBoostingClassifier(max_iter=4, categorical_features="from_dtype", random_state=1).fit(x, y)
    package = package_model(model, x.head(200))
    write_edge_bundle(package, tmp_path / "bundle", model="m", version=1, cache=edge_cache)
    asked = {"to": [None, "", "no such", *names]}
    (tmp_path / "rows.json").write_text(json.dumps(asked))
    answers = json.loads(in_node(tmp_path / "bundle", str(tmp_path / "rows.json")).stdout)
    known = pd.DataFrame({"to": pd.Categorical([None, None, None, *names], names)})
    expected = model.predict_proba(known)[:, 1]
    np.testing.assert_allclose(answers["probability"], expected, atol=1e-12)
    assert largest_difference(package.open().predict(asked), answers) < 1e-12


def test_node_checks_the_examples(bundle, tmp_path):
    assert in_node(bundle).stdout.strip() == "the examples have the expected answers"
    forged = shutil.copytree(bundle, tmp_path / "forged")
    examples = json.loads((forged / "examples.json").read_text())
    examples["outputs"]["probability"][0] += 1e-3
    (forged / "examples.json").write_text(json.dumps(examples))
    done = in_node(forged)
    assert done.returncode == 1
    assert "differ by 0.00" in done.stdout


REFUSED = {
    "'hour' takes integer, but row 0 has 1.5": {"hour": [1.5]},
    "'hour' takes integer, but row 0 has \"1\"": {"hour": ["1"]},
    "'is_holiday' takes boolean, but row 0 has 1": {"is_holiday": [1]},
    "'carrier' takes string, but row 0 has 3": {"carrier": [3]},
    "unexpected field 'day'": {"day": [3]},
    "field 'hour' has another number of rows": {"hour": []},
}
ASKING = """
import { readFile } from 'node:fs/promises';
import { loadModel, MisfitError } from './model.mjs';
import * as ort from './ort/ort.wasm.min.mjs';
ort.env.wasm.numThreads = 1;
ort.env.wasm.wasmBinary = await readFile('ort/ort-wasm-simd-threaded.wasm');
const model = await loadModel(ort, await readFile('model.onnx'), JSON.parse(await readFile('signature.json')));
for (const row of JSON.parse(process.argv[2])) {
  const refused = (error) => error instanceof MisfitError && error.message;
  console.log(await model.predict(row).then(() => 'answered', refused));
}
"""


def test_node_refuses_what_the_server_refuses(bundle, tmp_path):
    row = {"distance": [1.0], "hour": [3], "is_holiday": [False], "carrier": ["UA"]}
    folder = shutil.copytree(bundle, tmp_path / "asked")
    (folder / "check.mjs").write_text(ASKING)
    done = in_node(folder, json.dumps([row, *({**row, **change} for change in REFUSED.values())]))
    assert done.stderr == ""
    told = done.stdout.splitlines()
    assert told[0] == "answered"
    assert all(expected in given for expected, given in zip(REFUSED, told[1:], strict=True)), told


def test_node_answers_a_list_of_rows_and_says_what_is_wrong_with_one(bundle, package, tmp_path):
    rows = [{"distance": 1.0, "hour": 3, "is_holiday": False, "carrier": "UA"}, {"hour": 4, "is_holiday": True}]
    (tmp_path / "rows.json").write_text(json.dumps(rows))
    done = in_node(bundle, str(tmp_path / "rows.json"))
    asked = {"distance": [1.0, None], "hour": [3, 4], "is_holiday": [False, True], "carrier": ["UA", None]}
    assert largest_difference(package.open().predict(asked), json.loads(done.stdout)) < 1e-12
    for text, said in ((json.dumps([{**rows[0], "hour": "x"}]), "'hour' takes integer"), ("{", "JSON")):
        (tmp_path / "wrong.json").write_text(text)
        done = in_node(bundle, str(tmp_path / "wrong.json"))
        assert (done.returncode, done.stdout) == (1, "")
        assert said in done.stderr
        assert "    at " not in done.stderr  # no trace of calls


def test_the_rest_server_gives_the_answers_of_the_package(package, columns, tmp_path):
    place = LocalDeployment(
        tmp_path / "endpoints",
        artifacts=LocalArtifactStore(tmp_path / "artifacts", codec_table()),
        serving=ServingConfig(),
        server_module="tidewheel.prediction_service.server",
        is_clock_virtual=True,
    )
    digest = LocalArtifactStore(tmp_path / "artifacts", codec_table()).put(package).digest
    at = datetime(2013, 4, 1, tzinfo=UTC)
    deployment = Deployment(
        id="d1",
        endpoint="model",
        place="dev",
        model="m",
        version=3,
        package_digest=digest,
        event_id="e",
        at=at,
        recorded_at=at,
    )
    try:
        url = place.reconcile(deployment).url
        with closing(InferenceClient(url)) as client:
            answers = client.predict("m", columns, at=at)
    finally:
        place.take_down("model")
    assert largest_difference(package.open().predict(columns), answers) < 1e-12


def test_batch_prediction_gives_the_answers_of_the_package(package, columns):
    rows, written = pa.RecordBatch.from_pydict(columns), []
    BatchPrediction(ArrowModel(package), [], chunk_rows=3_000).carry_out([rows], written.append)
    answers = pa.concat_tables(written)
    assert answers.num_rows == ROWS
    found = {name: np.asarray(answers[name].to_pylist()) for name in answers.column_names}
    assert largest_difference(package.open().predict(columns), found) == 0.0


TYPES = {".mjs": "text/javascript", ".wasm": "application/wasm"}


class Served:
    """The bundle behind a web server of this machine, which notes what is asked for and takes the page's answers."""

    def __init__(self, folder: Path) -> None:
        self.asked: list[str] = []
        self.posted: list[bytes] = []
        self.arrived = threading.Event()
        outer = self

        class Handler(SimpleHTTPRequestHandler):
            extensions_map = {**SimpleHTTPRequestHandler.extensions_map, **TYPES}

            def do_GET(self) -> None:
                outer.asked.append(self.path)
                super().do_GET()

            def do_POST(self) -> None:
                outer.posted.append(self.rfile.read(int(self.headers["content-length"])))
                self.send_response(204)
                self.end_headers()
                outer.arrived.set()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(folder)))
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"


POSTING = """
import './page.mjs';
const rows = await (await fetch('rows.json')).json();
const text = (name) => document.querySelector(name).textContent;
while (!window.tidewheel || !text('output')) await new Promise((done) => setTimeout(done, 20));
const answers = await window.tidewheel.predict(rows);
const told = { status: text('#status'), shown: text('output'), answers };
await fetch('answers', { method: 'POST', body: JSON.stringify(told) });
"""


def test_chromium_gives_the_answers_of_the_package_and_asks_nobody_else(bundle, package, columns, tmp_path):
    if CHROMIUM is None:
        pytest.skip("chromium is not installed")
    folder = shutil.copytree(bundle, tmp_path / "served")
    (folder / "rows.json").write_text(json.dumps(columns))
    (folder / "posting.mjs").write_text(POSTING)
    page = (folder / "index.html").read_text()
    (folder / "index.html").write_text(page.replace('src="page.mjs"', 'src="posting.mjs"'))
    served = Served(folder)
    # What is not this machine is not found, so the page cannot live on it.
    flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
    flags += ["--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1", f"--user-data-dir={tmp_path / 'profile'}"]
    # Without a debugging port a headless browser leaves when the page is loaded.
    browser = subprocess.Popen(
        [CHROMIUM, *flags, "--remote-debugging-port=0", f"{served.url}/index.html"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        assert served.arrived.wait(100), f"the page gave no answers; it asked for {served.asked}"
    finally:
        os.killpg(browser.pid, signal.SIGKILL)
        browser.wait()
        served.server.shutdown()
        served.server.server_close()
    told = json.loads(served.posted[0])
    assert told["status"] == "The example rows have the expected answers."
    assert told["shown"].startswith("label")
    assert 'probability of "punctual"' in told["shown"]
    assert len(told["answers"]["label"]) == ROWS
    assert largest_difference(package.open().predict(columns), told["answers"]) < 1e-12


def test_a_native_form_is_refused_with_the_next_step(tmp_path):
    x = make_rows(60, 1)[["hour"]]
    native = package_model(KNeighborsClassifier(3).fit(x, np.arange(60) % 2), x, converters=())
    with pytest.raises(ConversionError, match="only Python runs") as caught:
        write_edge_bundle(native, tmp_path / "edge", model="m", version=1, cache=tmp_path)
    assert "tidewheel deploy" in caught.value.next_step
    assert list(tmp_path.iterdir()) == []


def small() -> Package:
    x = make_rows(60, 1)[["hour"]]
    return package_model(LogisticRegression().fit(x, np.arange(60) % 2), x)


def test_a_folder_that_holds_something_is_left_alone(tmp_path):
    (tmp_path / "mine").write_text("keep")
    with pytest.raises(ParameterError, match="not empty"):
        write_edge_bundle(small(), tmp_path, model="m", version=1, cache=tmp_path / "cache")
    assert [one.name for one in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize("content", [None, b"another version"])
def test_assets_are_known_by_their_hash(tmp_path, content):
    assets = tmp_path / "assets"
    assets.mkdir()
    for name in HASHES:
        if content is not None:
            (assets / name).write_bytes(content)
    with pytest.raises(ParameterError, match="is missing" if content is None else "is not that of"):
        write_edge_bundle(small(), tmp_path / "edge", model="m", version=1, cache=tmp_path / "cache", assets=assets)
    assert not (tmp_path / "edge").exists()


def test_without_npm_the_way_out_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(edge_runtime.shutil, "which", lambda name: None)
    with pytest.raises(DeploymentError, match="npm is not installed") as caught:
        runtime_files(tmp_path)
    assert "--assets" in caught.value.next_step


def test_assets_from_a_folder_need_no_npm(bundle, tmp_path, monkeypatch):
    monkeypatch.setattr(edge_runtime.shutil, "which", lambda name: None)
    written = write_edge_bundle(small(), tmp_path / "e", model="<b>", version=1, cache=tmp_path, assets=bundle / "ort")
    assert "&lt;b&gt; v1" in (tmp_path / "e" / "index.html").read_text()
    assert set(written.files) == {str(one.relative_to(bundle)) for one in bundle.rglob("*") if one.is_file()}


def test_an_npm_that_never_ends_and_a_cache_that_cannot_be_written_are_told(tmp_path, monkeypatch):
    npm = tmp_path / "npm"
    npm.write_text("#!/bin/sh\nexec sleep 60\n")
    npm.chmod(0o755)
    monkeypatch.setattr(edge_runtime.shutil, "which", lambda name: str(npm))
    monkeypatch.setattr(edge_runtime, "_PATIENCE_S", 0.1)
    with pytest.raises(DeploymentError, match="timed out"):
        runtime_files(tmp_path / "cache")
    with tarfile.open(tmp_path / "one.tgz", "w:gz"):
        pass
    npm.write_text(f"#!/bin/sh\ncp {tmp_path}/one.tgz .\n")
    monkeypatch.setattr(edge_runtime, "_PATIENCE_S", 60.0)
    (tmp_path / "cache").write_text("a file where the folder should be")
    with pytest.raises(StorageError, match="cannot be kept"):
        runtime_files(tmp_path / "cache")
