"""Keeps MLflow, the window that people look through, in step with the facts; in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tidewheel.core.digest import digest_value
from tidewheel.core.errors import StorageError
from tidewheel.workspace.stores import Stores

STATE = "mlflow/mirrored"


def mirror_models(stores: Stores) -> bool:
    """Writes to MLflow what it does not show yet; returns whether there was anything.

    MLflow takes seconds to import, so it is asked only when versions or aliases have changed since the last time.

    Raises:
        StorageError: MLflow refused; the facts are not touched by that, and the next call tries again.
    """
    if not stores.config.mlflow.is_enabled:
        return False
    facts = digest_value("mirror", _facts(stores))
    state = stores.folder / STATE
    if not stores.models.models() or (state.exists() and state.read_text() == facts):
        return False
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
    state.write_text(facts)
    return True


def _facts(stores: Stores) -> list[object]:
    versions = [(one.model, one.version, one.state) for one in stores.models.list()]
    aliases = [[*key, version] for key, version in sorted(stores.aliases.all().items())]
    return [versions, aliases]


def main(root: str) -> None:
    """The process: projects every run that made a version."""
    from tidewheel.core.config import read_config
    from tidewheel.model_registry.mlflow_projector import MlflowProjector

    stores = Stores(read_config(Path(root)))
    uri = stores.config.mlflow.tracking_uri
    projector = MlflowProjector(uri or stores.folder / "mlflow", stores.projections, stores.artifacts)
    aliases = {model: version for (model, alias), version in stores.aliases.all().items() if alias == "champion"}
    for run_id in sorted({version.run_id for version in stores.models.list()}):
        run = stores.runs.get(run_id)
        projector.project(run, stores.executions.list(run_id), stores.models.find_by_run(run_id), aliases)
    stores.close()


if __name__ == "__main__":
    main(sys.argv[1])
