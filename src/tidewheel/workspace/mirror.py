"""Keeps MLflow, the window that people look through, in step with the facts; in a process of its own."""

from __future__ import annotations

import fcntl
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from tidewheel.core.digest import digest_value
from tidewheel.core.errors import StorageError
from tidewheel.core.records import Execution, Run
from tidewheel.workspace.stores import Stores

STATE = "mlflow/mirrored"
REMOTE_S = 3600.0
"""How often a server of others is compared when nothing happened here."""
LATEST = 100
"""So many of the workspace's runs are looked at, and all that made a version."""
_MARK = "put right: "


def mirror_models(stores: Stores, on_write: Callable[[], None] = lambda: None) -> list[str]:
    """Writes to MLflow what it does not show yet; returns what others had changed there and was put right, in words.

    MLflow takes seconds to import, so it is asked only when there are other runs, versions or aliases to show than the
    last time, or its own database has changed.

    Args:
        on_write: called before those seconds begin; not called when there is nothing to write.

    Raises:
        StorageError: MLflow refused; the facts are not touched by that, and the next call tries again.
    """
    if not stores.config.mlflow.is_enabled:
        return []
    runs = _runs(stores)
    if not runs:
        return []
    state, facts = stores.folder / STATE, _facts(stores, runs)
    if state.exists() and state.read_text() == facts + _outside(stores):
        return []
    on_write()
    done = subprocess.run(
        [sys.executable, "-m", "tidewheel.workspace.mirror", str(stores.config.root)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise StorageError(
            "MLflow could not be written", where=done.stderr.strip()[-500:], next_step="`tidewheel tick` tries again"
        )
    state.parent.mkdir(exist_ok=True)
    state.write_text(facts + _outside(stores))
    return [line.removeprefix(_MARK) for line in done.stdout.splitlines() if line.startswith(_MARK)]


def _facts(stores: Stores, runs: list[Run]) -> str:
    versions = [(one.model, one.version, one.state) for one in stores.models.list()]
    aliases = [[*key, version] for key, version in sorted(stores.aliases.all().items())]
    return digest_value("mirror", [versions, aliases, [run.id for run in runs]])


def _outside(stores: Stores) -> str:
    """What can be told of MLflow's store without asking MLflow; another text when others may have written to it."""
    if stores.config.mlflow.tracking_uri:
        return f" {int(time.time() / REMOTE_S)}"
    try:
        found = (stores.folder / "mlflow" / "mlflow.db").stat()
    except FileNotFoundError:
        return " none"
    return f" {found.st_mtime_ns} {found.st_size}"


def _runs(stores: Stores) -> list[Run]:
    """Those that made a version, and the latest that measured something; the oldest first."""
    runs = {version.run_id: stores.runs.get(version.run_id) for version in stores.models.list()}
    latest = stores.runs.list(limit=LATEST)
    runs |= {run.id: run for run in latest if run.ended_at and has_measured(stores.executions.list(run.id))}
    return [runs[run_id] for run_id in sorted(runs)]


def has_measured(executions: Iterable[Execution]) -> bool:
    """Whether a run has numbers of its own; those of a cached step are another run's."""
    return any(execution.metrics and execution.status == "succeeded" for execution in executions)


def main(root: str) -> None:
    """The process: projects the runs and their versions."""
    from tidewheel.core.config import read_config

    stores = Stores(read_config(Path(root)))
    with (stores.folder / "mlflow.lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # MLflow looks for its tables, experiments and runs, and then makes them
        _project(stores)
    stores.close()


def _project(stores: Stores) -> None:
    from tidewheel.model_registry.mlflow_projector import MlflowProjector

    uri = stores.config.mlflow.tracking_uri
    projector = MlflowProjector(uri or stores.folder / "mlflow", stores.projections, stores.artifacts)
    aliases = {model: version for (model, alias), version in stores.aliases.all().items() if alias == "champion"}
    for run in _runs(stores):
        projector.project(run, stores.executions.list(run.id), stores.models.find_by_run(run.id), aliases)
    for line in projector.put_right:
        sys.stdout.write(f"{_MARK}{line}\n")


if __name__ == "__main__":
    main(sys.argv[1])
