"""Figures and evaluation reports of a run as files of the MLflow run, where people look for them."""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tidewheel.artifact_store import LocalArtifactStore
from tidewheel.artifact_store.codec_table import qualified_name
from tidewheel.core.records import Artifact, EvaluationReport, Execution

FOLDER = "findings"
_REPORT_TYPE = qualified_name(EvaluationReport)


class MlflowFindings:
    """Writes each under the name of its step and output; writing again writes the same bytes.

    Args:
        client: MLflow's.
        artifacts: where the values are.
    """

    def __init__(self, client: Any, artifacts: LocalArtifactStore) -> None:
        self._client = client
        self._artifacts = artifacts

    def write(self, run_id: str, execution: Execution) -> None:
        """All that an execution made; cached ones count, since their figures are of this run's model, too."""
        for output, artifact in execution.outputs.items():
            if suffix := _suffix(artifact):
                with TemporaryDirectory(prefix="tidewheel-mlflow-") as folder:
                    file = Path(folder, f"{execution.node}.{output}.{suffix}")
                    shutil.copyfile(self._artifacts.path_of(artifact), file)
                    self._client.log_artifact(run_id, str(file), FOLDER)


def _suffix(artifact: Artifact) -> str:
    """How the file's name ends; empty for what is not shown."""
    if artifact.codec.startswith("figure/"):
        return "png"
    return "json" if artifact.type_name == _REPORT_TYPE else ""
