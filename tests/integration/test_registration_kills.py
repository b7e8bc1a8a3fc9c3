"""kill -9 at each step of a registration: the version is there as a whole or not at all, and the next call gives it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys

import pytest

from run_record import AT, run_record
from tidewheel.artifact_store import LocalArtifactStore
from tidewheel.metadata_store import AliasStore, Database, ModelStore
from tidewheel.metadata_store.connection import Connection
from tidewheel.model_registry import ModelRegistry
from toy_project import ToyWorkspace, start_of, write_project

MODEL = "flight-delay"
RUN = run_record()


def register(url, folder):
    database, artifacts = Database.open(url), LocalArtifactStore(folder / "artifacts")
    models = ModelStore(database)
    registry = ModelRegistry(models, AliasStore(database), artifacts)
    package = artifacts.put("the package")
    done = registry.register(
        MODEL,
        package,
        run=RUN,
        metrics={"auc": 0.7},
        parameters={},
        snapshots=(),
        verdict_digest="",
        state="candidate",
        reason="no gate judged it",
        at=AT,
    )
    database.close()
    return done


def die_at(step: int, url, folder, steps) -> None:
    """Registers, and is killed before the given one of its steps: what it asks of the files and of the database."""
    for owner, name in (
        (LocalArtifactStore, "verify"),
        (LocalArtifactStore, "sync"),
        (Connection, "execute"),
        (Connection, "execute_many"),
        (Connection, "commit"),
    ):
        act = getattr(owner, name)

        def counted(self, *arguments, act=act, **options):
            steps.value += 1
            if steps.value == step:
                os.kill(os.getpid(), signal.SIGKILL)
            return act(self, *arguments, **options)

        setattr(owner, name, counted)
    register(url, folder)


def test_a_registration_that_is_killed_at_any_step_leaves_no_half_version(shared_url, tmp_path):
    Database.open(shared_url).close()
    context = multiprocessing.get_context("fork")
    outcomes = []
    for step in range(1, 200):
        model_folder = tmp_path / str(step)
        steps = context.Value("i", 0)
        process = context.Process(target=die_at, args=(step, shared_url, model_folder, steps))
        process.start()
        process.join()
        database = Database.open(shared_url)
        models = ModelStore(database)
        found, history = models.list(MODEL), models.history(MODEL)
        assert (len(found), len(history)) in ((0, 0), (1, 1))
        if found:
            LocalArtifactStore(model_folder / "artifacts").verify(found[0].package)
        outcomes.append(len(found))
        version, is_new = register(shared_url, model_folder)
        assert (version.version, is_new) == (1, not found)
        assert len(models.history(MODEL)) == 1
        with database.write() as connection:
            for table in ("model_state_change", "model_version", "model"):
                connection.execute(f"DELETE FROM {table}")
        database.close()
        if process.exitcode == 0:
            break
        assert process.exitcode == -signal.SIGKILL
    assert step > 8, "it was killed at each of its steps"
    assert (outcomes[0], outcomes[-1]) == (0, 1)


DYING = """
import os, signal, sys
import tidewheel
from tidewheel.table_store.pyiceberg_tables import PyIcebergTableStore
from tidewheel.metadata_store import ModelStore, RunStore

owner, name = {"register": (ModelStore, "register"), "tag": (PyIcebergTableStore, "tag"),
               "complete": (RunStore, "complete")}[sys.argv[2]]
setattr(owner, name, lambda *arguments, **options: os.kill(os.getpid(), signal.SIGKILL))
tidewheel.open(sys.argv[1]).submit("training")
"""


@pytest.mark.slow
@pytest.mark.parametrize("step", ["register", "tag", "complete"])
def test_a_run_that_is_killed_while_it_registers_is_completed_by_resume(tmp_path, step):
    toy = ToyWorkspace(write_project(tmp_path / "project"))
    try:
        toy.stores.clock_row.set(start_of(2))
        toy.ingest(1)
        done = subprocess.run([sys.executable, "-c", DYING, str(toy.folder), step], cwd=toy.folder, timeout=100)
        assert done.returncode == -signal.SIGKILL
        assert len(toy.stores.models.list("toy")) == (0 if step == "register" else 1)
        toy.workspace.settle_interrupted()
        run = toy.workspace.resume("latest")
        assert run.status == "succeeded"
        (version,) = toy.workspace.versions("toy")
        assert (version.version, len(toy.stores.models.history("toy"))) == (1, 1)
        tags = toy.stores.tables.tags("points")
        assert tags == {"toy-v1": version.snapshots[0].snapshot_id}
        assert toy.workspace.promote("toy").version == 1
        assert toy.workspace.why("toy").is_whole
    finally:
        toy.close()
