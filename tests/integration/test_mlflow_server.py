"""A real `mlflow server` over HTTP shows the same as the embedded store: registered, promoted, put right, loaded."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

import tidewheel
from processes import wait_until
from toy_project import CONFIG, ToyWorkspace, start_of, write_project

mlflow = pytest.importorskip("mlflow")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def answers(url) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return response.status == 200
    except (urllib.error.URLError, OSError):
        return False


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def comes_up(process, url) -> bool:
    wait_until(lambda: process.poll() is not None or answers(f"{url}/health"), timeout_s=300)
    return process.poll() is None


def end(process) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, 9)
    process.wait()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The address of a server with SQLite and a folder of its own for files; a client reaches both by HTTP only."""
    folder = tmp_path_factory.mktemp("server")
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--workers", "1"]
    command += [
        "--backend-store-uri",
        f"sqlite:///{folder / 'mlflow.db'}",
        "--artifacts-destination",
        str(folder / "files"),
    ]
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
    with (folder / "log").open("w") as log, contextlib.ExitStack() as ending:
        for _ in range(3):  # between the look for a free port and its use another process may take it
            port = free_port()
            url = f"http://127.0.0.1:{port}"
            process = subprocess.Popen(
                [*command, "--port", str(port)],
                cwd=folder,
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            ending.callback(end, process)
            if comes_up(process, url):
                break
        assert process.poll() is None, (folder / "log").read_text()
        yield url, folder / "files"


def shown(uri: str) -> dict[str, object]:
    """What an MLflow client is shown, without what an address or the moment decides."""
    client = mlflow.MlflowClient(uri)
    (experiment,) = [one for one in client.search_experiments() if one.name == "training"]
    versions = client.search_model_versions("name = 'toy'")
    numbers = {str(one.version): one.tags["tidewheel.version"] for one in versions}
    runs = client.search_runs([experiment.experiment_id])
    return {
        "runs": sorted(
            (one.info.run_name, one.info.status, sorted(one.data.params.items()), sorted(one.data.metrics.items()))
            for one in runs
        ),
        "run tags": sorted(sorted(pair for pair in one.data.tags.items() if "tidewheel" in pair[0]) for one in runs),
        "versions": sorted((sorted(one.tags.items()), one.description) for one in versions),
        "aliases": {name: numbers[str(one)] for name, one in client.get_registered_model("toy").aliases.items()},
    }


def test_registering_and_promoting_through_a_server_shows_the_same_as_the_embedded_store(tmp_path, server):
    url, files = server
    toy = ToyWorkspace(write_project(tmp_path / "project", CONFIG.replace("is_enabled = false", "is_enabled = true")))
    try:
        toy.train_first()
        toy.live_through(2)
        toy.stores.clock_row.set(start_of(3))
        assert toy.workspace.submit("training").status == "succeeded"
        embedded = f"sqlite:///{toy.folder}/.tidewheel/mlflow/mlflow.db"
        # The same facts, shown by the server. Closed first: copying an open database breaks the locks on it.
        copy = tmp_path / "copy"
        toy.close()
        shutil.copytree(toy.folder, copy)
        toy = ToyWorkspace(toy.folder)
        path = copy / "tidewheel.toml"
        path.write_text(path.read_text() + f'tracking_uri = "{url}"\n')
        with tidewheel.open(copy) as remote:
            for workspace in (toy.workspace, remote):
                assert workspace.mirror() == []
            assert shown(url) == shown(embedded)
            assert shown(url)["aliases"] == {"champion": "1"}
            told: list[str] = []
            for workspace in (toy.workspace, remote):
                workspace.promote("toy", 2, is_forced=True, reason="better")
                assert workspace.mirror(on_write=lambda: told.append("writing")) == []
            assert toy.workspace.mirror(on_write=lambda: told.append("again")) == []
            assert told == ["writing", "writing"]
            assert shown(url) == shown(embedded)
            assert shown(url)["aliases"] == {"champion": "2"}
            expect_same_answers(toy, [embedded, url])
            expect_put_right(remote, url, files)
            for workspace in (toy.workspace, remote):
                workspace.models.delete("toy", 1, reason="a month old")
                assert workspace.mirror() == []
            assert shown(url) == shown(embedded)
            assert len(shown(url)["versions"]) == 1
    finally:
        toy.close()


def expect_same_answers(toy, uris) -> None:
    """A client that loads the champion gets what the package answers."""
    import pandas as pd

    rows = pd.DataFrame({"x": [-1.0, 0.1, 2.0]})
    package = toy.stores.artifacts.load(toy.workspace.champion("toy").package)
    expected = package.open().predict({"x": rows["x"].to_numpy()})["probability"].tolist()
    for uri in uris:
        mlflow.set_tracking_uri(uri)
        loaded = mlflow.pyfunc.load_model("models:/toy@champion")
        assert loaded.predict(rows)["probability"].tolist() == expected


def expect_put_right(workspace, url, files) -> None:
    """What others change on the server is told and put right as in the embedded store, its files included."""
    client = mlflow.MlflowClient(url)
    client.delete_registered_model_alias("toy", "champion")
    state = workspace.folder / "mlflow" / "mirrored"
    state.unlink()  # a server of others is asked once an hour, or when something happened here
    assert workspace.mirror() == ["alias 'champion' of toy had been deleted"]
    shutil.rmtree(files)
    state.unlink()
    told = workspace.mirror()
    assert {"the files of toy v1 were gone", "the files of toy v2 were gone"} <= set(told)
    state.unlink()
    assert workspace.mirror() == []
    assert shown(url)["aliases"] == {"champion": "2"}
