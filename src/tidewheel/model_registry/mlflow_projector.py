"""MLflow as the window that people already look through: runs, versions in its native flavour, the champion's alias.

Written after the facts are committed and read by nothing: whatever happens to MLflow's store, the next projection puts
right what differs.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

os.environ.update({"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "GIT_PYTHON_REFRESH": "quiet"})

import mlflow
import mlflow.onnx
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema

from tidewheel.artifact_store import LocalArtifactStore
from tidewheel.core.records import Execution, ModelVersion, Run
from tidewheel.metadata_store import ProjectionStore
from tidewheel.model_package import Package
from tidewheel.model_package.signature import Field, Signature
from tidewheel.model_registry.mlflow_onnx_model import flat_model

RUN_TAG, VERSION_TAG = "tidewheel.run_id", "tidewheel.version"
_TYPES = {"float": "double", "integer": "long", "boolean": "boolean", "string": "string"}
_LONGEST_PARAMETER = 6000


class MlflowProjector:
    """Writes facts to an MLflow store; idempotent, found again by tags and not by what this process remembers.

    Args:
        target: a tracking URI, or a folder for an embedded store.
        projections: the workspace's record of projections, for programs that want to know what was written.
        artifacts: where packages are.
    """

    def __init__(self, target: str | Path, projections: ProjectionStore, artifacts: LocalArtifactStore) -> None:
        self._projections = projections
        self._artifacts = artifacts
        self._files = target / "artifacts" if isinstance(target, Path) else None
        if isinstance(target, Path):
            target.mkdir(parents=True, exist_ok=True)
        mlflow.set_tracking_uri(f"sqlite:///{target / 'mlflow.db'}" if isinstance(target, Path) else target)
        self._client = mlflow.MlflowClient()

    def project(
        self,
        run: Run,
        executions: Sequence[Execution],
        versions: Sequence[ModelVersion],
        champions: Mapping[str, int],
    ) -> None:
        """Writes a run, its versions and their models' champion alias, as far as MLflow does not have them."""
        experiment = self._experiment(run.pipeline)
        known = self._client.search_runs([experiment], f"tags.`{RUN_TAG}` = '{run.id}'", max_results=1)
        run_id = known[0].info.run_id if known else self._write_run(experiment, run, executions)
        for version in versions:
            if self._find(version.model, version.version) is None:
                self._write_version(run_id, version)
            self._point(version.model, champions.get(version.model))

    def _experiment(self, name: str) -> str:
        known = self._client.get_experiment_by_name(name)
        if known is not None:
            return str(known.experiment_id)
        location = (self._files / name).as_uri() if self._files else None
        return str(self._client.create_experiment(name, artifact_location=location))

    def _write_run(self, experiment: str, run: Run, executions: Sequence[Execution]) -> str:
        tags = {"tidewheel.commit": run.commit, "tidewheel.sources": run.sources_digest, "mlflow.user": run.user}
        parameters = {name: value for one in executions for name, value in one.parameters.items()}
        with mlflow.start_run(experiment_id=experiment, run_name=run.id, tags=tags) as active:
            mlflow.log_params({name: str(value)[:_LONGEST_PARAMETER] for name, value in parameters.items()})
            numbers = {name: value for one in executions for name, value in one.metrics.items() if value is not None}
            mlflow.log_metrics(numbers)
            mlflow.set_tag(RUN_TAG, run.id)  # last, so that a run that was cut off is not taken for a whole one
            return str(active.info.run_id)

    def _write_version(self, run_id: str, version: ModelVersion) -> None:
        package: Package = self._artifacts.load(version.package)
        if package.runtime != "onnx":
            self._client.set_tag(run_id, "tidewheel.not_mirrored", f"v{version.version}: {package.manifest.reason}")
            return
        with mlflow.start_run(run_id=run_id):
            logged = mlflow.onnx.log_model(
                flat_model(package),
                name="model",
                signature=_signature(package.signature),
                pip_requirements=[f"{name}=={number}" for name, number in package.manifest.libraries.items()],
            )
        try:
            self._client.create_registered_model(version.model)
        except MlflowException:
            self._client.get_registered_model(version.model)  # raises again unless it is there
        tags = {VERSION_TAG: str(version.version), "tidewheel.package": version.package.digest, "state": version.state}
        self._client.create_model_version(
            version.model, logged.model_uri, run_id=run_id, tags=tags, description=version.reason
        )

    def _find(self, model: str, version: int) -> Any:
        found = self._client.search_model_versions(f"name = '{model}'")
        return next((one for one in found if one.tags.get(VERSION_TAG) == str(version)), None)

    def _point(self, model: str, champion: int | None) -> None:
        target = self._find(model, champion) if champion is not None else None
        if target is None:
            return
        aliases = self._client.get_registered_model(model).aliases
        if str(aliases.get("champion")) != str(target.version):
            self._client.set_registered_model_alias(model, "champion", target.version)


def _signature(signature: Signature) -> ModelSignature:
    return ModelSignature(inputs=Schema([_column(field) for field in signature.inputs]))


def _column(field: Field) -> ColSpec:
    kind = "double" if field.allows_null and field.kind in ("integer", "boolean") else _TYPES[field.kind]
    return ColSpec(kind, field.name, required=not field.allows_null)
