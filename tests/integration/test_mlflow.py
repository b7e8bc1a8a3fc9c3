"""The projector on a real MLflow store: what it shows, twice, after kills, after others, and to clients that load."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections import Counter
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from lightgbm import LGBMClassifier
from matplotlib.figure import Figure
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from tidewheel.artifact_store import LocalArtifactStore
from tidewheel.core.records import EvaluationReport, Execution, ModelVersion, Run
from tidewheel.metadata_store import Database, ModelStore, ProjectionStore
from tidewheel.model_package import package_model
from tidewheel.workspace.codecs import codec_table

mlflow = pytest.importorskip("mlflow")

AT = datetime(2013, 4, 1, tzinfo=UTC)
STARTED = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)


def make_rows(count: int = 400) -> tuple[pd.DataFrame, pd.Series]:
    random = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            "x": random.normal(size=count),
            "n": random.integers(0, 9, count),
            "flag": random.integers(0, 2, count).astype(bool),
            "kind": pd.Categorical(random.choice(["a", "b", "ü"], count)),
        }
    )
    return frame, (frame["x"] + (frame["kind"] == "a") + random.normal(size=count) > 0.5).astype(int)


@pytest.fixture(scope="module")
def packages():
    frame, label = make_rows()
    trees = LGBMClassifier(n_estimators=5, verbose=-1, n_jobs=1)
    three = np.random.default_rng(2).integers(0, 3, len(frame))
    text = frame.assign(kind=frame["kind"].astype("str"))[["kind"]]
    native = make_pipeline(OneHotEncoder(handle_unknown="ignore"), LogisticRegression()).fit(text, label)
    found = {
        "onnx": package_model(trees.fit(frame, label), frame.head(50)),
        "native": package_model(native, text.head(50), converters=()),
        "three": package_model(trees.fit(frame, three), frame.head(50)),
    }
    assert [one.runtime for one in found.values()] == ["onnx", "sklearn", "onnx"]
    return found


class Facts:
    """A workspace's facts, as far as the projector reads them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.database = Database.open(f"sqlite:///{folder / 'metadata.db'}")
        self.models, self.projections = ModelStore(self.database), ProjectionStore(self.database)
        self.artifacts = LocalArtifactStore(folder / "artifacts", codec_table())

    def run(self, number: int = 1, **changes) -> Run:
        fields = {
            "id": f"1m7yrunrunrun{number:03}",
            "pipeline": "training",
            "status": "succeeded",
            "plan_digest": "p",
            "event_id": "e",
            "parameters": {},
            "sources_digest": "s" * 64,
            "commit": "c" * 40,
            "branch": "main",
            "is_dirty": False,
            "author": "Ada",
            "runtime_digest": "r",
            "lock_digest": "",
            "executor": "local",
            "host": "h",
            "user": "ada",
            "orchestrator_pid": 1,
            "at": AT,
            "started_at": STARTED,
            "ended_at": STARTED + timedelta(seconds=90),
        }
        return Run(**fields | changes)

    def executions(self, run: Run) -> list[Execution]:
        fields = {"run_id": run.id, "status": "succeeded"}
        return [
            Execution(
                id=f"{run.id}a",
                node="train",
                step="s:train",
                parameters={"seed": 1, "depth": 3},
                metrics={"auc": 0.8},
                **fields,
            ),
            Execution(
                id=f"{run.id}b",
                node="test",
                step="s:test",
                parameters={"seed": 2},
                metrics={"auc": 0.7, "brier": 0.2, "none": None},
                **fields,
            ),
        ]

    def register(self, package, run: Run, model: str = "toy") -> ModelVersion:
        artifact = self.artifacts.put(package)

        def build(number: int) -> ModelVersion:
            return ModelVersion(
                model=model,
                version=number,
                state="approved",
                package=artifact,
                run_id=run.id,
                metrics={},
                parameters={},
                snapshots=(),
                reason="better than before",
                at=AT,
                recorded_at=AT,
            )

        return self.models.register(model, artifact.digest, build)[0]

    def project(self, run: Run, champion: int | None = 1) -> list[str]:
        from tidewheel.model_registry.mlflow_projector import MlflowProjector

        projector = MlflowProjector(self.folder / "mlflow", self.projections, self.artifacts)
        champions = {} if champion is None else {"toy": champion}
        projector.project(run, self.executions(run), self.models.find_by_run(run.id), champions)
        return projector.put_right

    @property
    def client(self):
        mlflow.set_tracking_uri(self.uri)
        return mlflow.MlflowClient()

    @property
    def uri(self) -> str:
        return f"sqlite:///{self.folder / 'mlflow' / 'mlflow.db'}"

    def shown(self) -> dict[str, object]:
        client = self.client
        experiment = client.get_experiment_by_name("training").experiment_id
        versions = client.search_model_versions("name = 'toy'")
        numbers = {str(one.version): one.tags.get("tidewheel.version") for one in versions}
        aliases = client.get_registered_model("toy").aliases
        return {
            "runs": sorted(one.info.run_name for one in client.search_runs([experiment])),
            "versions": sorted(Counter(numbers.values()).items()),
            "aliases": {name: numbers[str(number)] for name, number in aliases.items()},
        }


@pytest.fixture(scope="module")
def empty_store(tmp_path_factory):
    """MLflow takes seconds to make its tables."""
    folder = tmp_path_factory.mktemp("mlflow") / "mlflow"
    folder.mkdir()
    mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}")
    mlflow.MlflowClient().search_experiments()
    return folder


@pytest.fixture
def facts(tmp_path, empty_store):
    shutil.copytree(empty_store, tmp_path / "mlflow")
    facts = Facts(tmp_path)
    yield facts
    facts.database.close()


ONCE = {"runs": ["1m7yrunrunrun001"], "versions": [("1", 1)], "aliases": {"champion": "1"}}


def test_mlflow_shows_the_run_with_its_numbers_and_times(facts, packages):
    run = facts.run()
    facts.register(packages["onnx"], run)
    assert facts.project(run) == []
    assert facts.shown() == ONCE
    (shown,) = facts.client.search_runs([facts.client.get_experiment_by_name("training").experiment_id])
    assert shown.data.params == {"train.seed": "1", "test.seed": "2", "depth": "3"}
    assert shown.data.metrics == {"train.auc": 0.8, "test.auc": 0.7, "brier": 0.2}
    assert (shown.info.status, shown.info.user_id) == ("FINISHED", "ada")
    assert (shown.info.end_time - shown.info.start_time, shown.info.start_time % 1000) == (90_000, 678)
    assert shown.data.tags["mlflow.source.git.commit"] == "c" * 40
    version = facts.client.get_model_version_by_alias("toy", "champion")
    assert (version.run_id, version.description) == (shown.info.run_id, "better than before")
    assert version.tags["tidewheel.state"] == "approved"
    assert not Path("mlruns").exists()


def trials_execution(facts, run: Run) -> Execution:
    names = ["number", "state", "algorithm", "value", "folds", "rounds", "seed", "reason"]
    rows = [
        [0, "succeeded", "forest", 0.7, [0.7], 30, 11, None, 5, None, 0.7],
        [1, "failed", "linear", None, [], None, 12, "it ran out of memory", None, 0.1, None],
        [2, "pruned", "forest", 0.5, [], None, 13, "others did better by then", 9, None, None],
    ]
    columns = [*names, "forest.depth", "linear.C", "metric.auc"]
    table = pa.Table.from_pylist([dict(zip(columns, row, strict=True)) for row in rows])
    return Execution(
        id=f"{run.id}c",
        run_id=run.id,
        node="search",
        step="s:search",
        status="succeeded",
        outputs={"trials": facts.artifacts.put(table)},
        started_at=STARTED,
        ended_at=STARTED + timedelta(seconds=60),
    )


def children(facts) -> list:
    experiment = facts.client.get_experiment_by_name("training").experiment_id
    found = facts.client.search_runs([experiment], "tags.`tidewheel.trial` LIKE 'search/%'", order_by=["tags.x"])
    return sorted(found, key=lambda one: one.data.tags["tidewheel.trial"])


def test_trials_are_child_runs_once_also_after_a_kill(facts, packages, monkeypatch):
    run = facts.run()
    facts.register(packages["onnx"], run)
    executions = [*facts.executions(run), trials_execution(facts, run)]
    monkeypatch.setattr(Facts, "executions", lambda self, run: executions)
    from mlflow import MlflowClient

    ended, calls = MlflowClient.set_terminated, []

    def cut(self, *arguments, **options):
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt  # what a kill leaves: the second child has its numbers but no end
        return ended(self, *arguments, **options)

    monkeypatch.setattr(MlflowClient, "set_terminated", cut)
    with pytest.raises(KeyboardInterrupt):
        facts.project(run)
    for _ in range(2):
        assert facts.project(run) == []
        shown = children(facts)
        assert [one.info.status for one in shown] == ["FINISHED", "FAILED", "KILLED"]
    parent = facts.projections.find("run", run.id).external_id
    assert {one.data.tags["mlflow.parentRunId"] for one in shown} == {parent}
    assert shown[0].data.params == {"algorithm": "forest", "seed": "11", "depth": "5", "rounds": "30"}
    assert shown[0].data.metrics == {"auc": 0.7}
    assert shown[1].data.tags["tidewheel.reason"] == "it ran out of memory"
    assert (shown[2].data.params["depth"], shown[2].data.metrics) == ("9", {})


def test_figures_and_reports_are_files_of_the_run(facts, packages, monkeypatch, tmp_path):
    run = facts.run()
    facts.register(packages["onnx"], run)
    figure = Figure(figsize=(1, 1))
    report = EvaluationReport(
        problem="binary", metric="roc_auc", row_count=3, block_count=3, confidence=0.9, metrics=()
    )
    outputs = {"quality": facts.artifacts.put(figure), "report": facts.artifacts.put(report)}
    made = Execution(id=f"{run.id}d", run_id=run.id, node="evaluation", step="s:e", status="cached", outputs=outputs)
    executions = [*facts.executions(run), made]
    monkeypatch.setattr(Facts, "executions", lambda self, run: executions)
    facts.project(run)
    run_id = facts.projections.find("run", run.id).external_id
    shown = [one.path for one in facts.client.list_artifacts(run_id, "findings")]
    assert shown == ["findings/evaluation.quality.png", "findings/evaluation.report.json"]
    picture = facts.client.download_artifacts(run_id, shown[0], str(tmp_path))
    assert Path(picture).read_bytes() == facts.artifacts.load(outputs["quality"])


def test_a_server_that_is_away_is_asked_three_times_and_not_for_minutes(facts, packages):
    from tidewheel.model_registry.mlflow_projector import MlflowProjector

    asked, before = [], mlflow.get_tracking_uri()

    class Away(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_error(503)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Away) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        projector = MlflowProjector(f"http://127.0.0.1:{server.server_address[1]}", facts.projections, facts.artifacts)
        with pytest.raises(mlflow.MlflowException):
            projector.project(facts.run(), [], [], {})
        server.shutdown()
    mlflow.set_tracking_uri(before)
    assert len(asked) == 3


def test_projecting_again_changes_nothing(facts, packages):
    run = facts.run()
    facts.register(packages["onnx"], run)
    facts.project(run)
    before = facts.client.search_model_versions("name = 'toy'")[0].last_updated_timestamp
    assert facts.project(run) == []
    assert facts.shown() == ONCE
    assert facts.client.search_model_versions("name = 'toy'")[0].last_updated_timestamp == before


def test_a_new_state_is_shown_and_is_nobody_s_change(facts, packages):
    run = facts.run()
    facts.register(packages["onnx"], run)
    facts.project(run)
    facts.models.set_state("toy", 1, "retired", "old", "e", AT)
    assert facts.project(run) == []
    assert facts.client.get_model_version_by_alias("toy", "champion").tags["tidewheel.state"] == "retired"


CUTS = ["create_run", "log_batch", "set_terminated", "create_registered_model", "create_model_version"]


@pytest.mark.parametrize("cut", [*CUTS, "Model.log"])
def test_a_projection_that_was_killed_is_completed_by_the_next(facts, packages, cut):
    """Killed right after each of its writes."""
    run = facts.run()
    facts.register(packages["onnx"], run)

    def work() -> None:
        from mlflow.models import Model

        from tidewheel.model_registry import mlflow_projector

        owner = Model if cut == "Model.log" else mlflow_projector.mlflow.MlflowClient
        name = cut.rpartition(".")[2]
        act = getattr(owner, name)

        def act_and_die(*arguments, **options):
            act(*arguments, **options)
            os.kill(os.getpid(), signal.SIGKILL)

        setattr(owner, name, act_and_die)
        Facts(facts.folder).project(run)

    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert facts.project(run) == []
    assert facts.shown() == ONCE
    (shown,) = facts.client.search_runs([facts.client.get_experiment_by_name("training").experiment_id])
    assert (shown.data.metrics["brier"], shown.info.status) == (0.2, "FINISHED")
    assert len(facts.client.get_metric_history(shown.info.run_id, "brier")) == 1


def test_what_others_changed_is_told_and_put_right(facts, packages):
    run = facts.run()
    facts.register(packages["onnx"], run)
    facts.register(packages["three"], run)
    facts.project(run)
    client = facts.client
    other = next(one for one in client.search_model_versions("name = 'toy'") if one.tags["tidewheel.version"] == "2")
    client.set_registered_model_alias("toy", "champion", other.version)
    assert facts.project(run) == [f"alias 'champion' of toy had been moved to MLflow's version {other.version}"]
    client.delete_registered_model_alias("toy", "champion")
    assert facts.project(run) == ["alias 'champion' of toy had been deleted"]
    client.set_model_version_tag("toy", other.version, "tidewheel.state", "theirs")
    assert facts.project(run) == ["tag 'tidewheel.state' of toy v2 had been changed to 'theirs'"]
    client.delete_model_version("toy", other.version)
    assert facts.project(run) == ["toy v2 had been deleted"]
    for one in client.search_runs([client.get_experiment_by_name("training").experiment_id]):
        client.delete_run(one.info.run_id)
    assert facts.project(run) == ["run 1m7yrunrunrun001 had been deleted"]
    client.delete_experiment(client.get_experiment_by_name("training").experiment_id)
    told = facts.project(run)
    assert told[0] == "experiment 'training' had been deleted"
    assert facts.shown() == {
        "runs": ["1m7yrunrunrun001"],
        "versions": [("1", 1), ("2", 1)],
        "aliases": {"champion": "1"},
    }
    assert facts.project(run) == []


def test_a_deleted_model_and_deleted_files_come_back(facts, packages):
    run = facts.run()
    facts.register(packages["onnx"], run)
    facts.project(run)
    facts.client.delete_registered_model("toy")
    assert facts.project(run) == [
        "toy v1 had been deleted",
        "alias 'champion' of toy had been deleted",
    ]
    shutil.rmtree(facts.folder / "mlflow" / "artifacts")
    assert facts.project(run)[0] == "the files of toy v1 were gone"
    mlflow.set_tracking_uri(facts.uri)
    assert len(mlflow.pyfunc.load_model("models:/toy@champion").predict(make_rows(3)[0].astype({"kind": "str"}))) == 3


@pytest.mark.parametrize("kind", [object, "str", "category", "string"])
def test_any_client_gets_the_package_s_answers_whatever_type_its_text_has(facts, packages, kind):
    run = facts.run()
    facts.register(packages["onnx"], run)
    facts.project(run)
    mlflow.set_tracking_uri(facts.uri)
    frame = make_rows(20)[0]
    asked = frame.assign(kind=frame["kind"].astype(kind))
    if kind == "category":  # MLflow's own check of the signature takes text only
        asked = asked.assign(kind=asked["kind"].astype(object))
    asked.loc[3, "kind"] = None
    asked = asked.set_index(pd.Index(range(100, 120)))
    answers = mlflow.pyfunc.load_model("models:/toy@champion").predict(asked)
    columns = {name: [None if pd.isna(one) else one for one in asked[name].tolist()] for name in asked}
    expected = packages["onnx"].open().predict(columns)
    assert answers["probability"].tolist() == expected["probability"].tolist()
    assert answers["label"].tolist() == expected["label"].tolist()
    assert answers.index.tolist() == asked.index.tolist()


def test_the_native_flavour_loads_as_onnx(facts, packages):
    import onnxruntime

    run = facts.run()
    facts.register(packages["onnx"], run)
    facts.project(run)
    mlflow.set_tracking_uri(facts.uri)
    model = mlflow.onnx.load_model("models:/toy@champion")
    session = onnxruntime.InferenceSession(model.SerializeToString())
    frame = make_rows(5)[0].astype({"kind": object})
    answers = session.run(["probability"], {name: frame[name].to_numpy() for name in frame})[0]
    expected = packages["onnx"].open().predict({name: frame[name].tolist() for name in frame})["probability"]
    assert answers.reshape(-1).tolist() == expected.tolist()


def test_three_classes_and_native_packages_are_mirrored_too(facts, packages):
    run = facts.run()
    facts.register(packages["native"], run)
    facts.register(packages["three"], run)
    facts.project(run, champion=2)
    mlflow.set_tracking_uri(facts.uri)
    frame = make_rows(6)[0]
    answers = mlflow.pyfunc.load_model("models:/toy@champion").predict(frame.astype({"kind": "str"}))
    columns = {name: frame[name].tolist() for name in frame}
    assert answers["probability"].tolist() == packages["three"].open().predict(columns)["probability"].tolist()
    facts.project(run, champion=1)
    for kind in (object, "str"):
        text = frame[["kind"]].astype({"kind": kind})
        answers = mlflow.pyfunc.load_model("models:/toy@champion").predict(text)
        expected = packages["native"].open().predict({"kind": frame["kind"].tolist()})
        assert answers["probability"].tolist() == expected["probability"].tolist()


CLIENT = """
import sys
sys.modules["tidewheel"] = None  # a client that does not have it
import mlflow, pandas as pd
mlflow.set_tracking_uri(sys.argv[1])
rows = pd.DataFrame({"x": [0.5], "n": [3], "flag": [True], "kind": ["a"]})
print(mlflow.pyfunc.load_model("models:/toy@champion").predict(rows)["probability"][0])
try:
    mlflow.pyfunc.load_model("models:/toy/2")
except ImportError as error:
    print("needs", error.name)
"""


def test_a_client_without_tidewheel_loads_the_onnx_form_and_is_told_what_the_native_one_needs(facts, packages):
    run = facts.run()
    facts.register(packages["onnx"], run)
    facts.register(packages["native"], run)
    facts.project(run)
    done = subprocess.run([sys.executable, "-c", CLIENT, facts.uri], capture_output=True, text=True, cwd=facts.folder)
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()[-2:]
    row = {"x": [0.5], "n": [3], "flag": [True], "kind": ["a"]}
    assert float(first) == packages["onnx"].open().predict(row)["probability"][0]
    assert second.startswith("needs tidewheel")


def test_telemetry_is_off_before_mlflow_is_imported():
    code = (
        "import tidewheel.model_registry.mlflow_projector, os\n"
        "from mlflow.telemetry.utils import is_telemetry_disabled\n"
        "print(is_telemetry_disabled())"
    )
    environment = {name: value for name, value in os.environ.items() if name not in ("MLFLOW_DISABLE_TELEMETRY", "CI")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.stdout.split()[-1:] == ["True"], done.stderr
