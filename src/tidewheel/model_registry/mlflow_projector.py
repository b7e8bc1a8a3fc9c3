"""MLflow as the window that people already look through: runs, versions in its native flavour, the champion's alias.

Written after the facts are committed and read by nothing: whatever happens to MLflow's store, the next projection puts
right what differs, and says so.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

os.environ.update({"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "GIT_PYTHON_REFRESH": "quiet"})
# MLflow itself tries again seven times with growing pauses, which holds a run for minutes when its server is away; the
# next projection tries again anyway.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")

import mlflow
from mlflow.entities import Metric, Param, ViewType

from tidewheel.artifact_store import LocalArtifactStore
from tidewheel.core.records import Execution, ModelVersion, Run
from tidewheel.metadata_store import ProjectionStore
from tidewheel.metadata_store.projection import Projection
from tidewheel.model_registry.mlflow_findings import MlflowFindings
from tidewheel.model_registry.mlflow_trials import MlflowTrials
from tidewheel.model_registry.mlflow_versions import MlflowVersions

RUN_TAG, WHOLE_TAG = "tidewheel.run_id", "tidewheel.whole"
_STATUS = {"succeeded": "FINISHED", "failed": "FAILED", "running": "RUNNING"}
_EXPERIMENT_TAGS = {"mlflow.experimentKind": "custom_model_development"}  # opens with its training runs
_LONGEST_PARAMETER = 6000
_BATCH = 100


class MlflowProjector:
    """Writes facts to an MLflow store; idempotent, found again by tags and not by what this process remembers.

    Args:
        target: a tracking URI, or a folder for an embedded store.
        projections: the workspace's record of what was written, by which others' changes are told from our own.
        artifacts: where packages are.

    Attributes:
        put_right: what others had changed, in words.
    """

    def __init__(self, target: str | Path, projections: ProjectionStore, artifacts: LocalArtifactStore) -> None:
        self.put_right: list[str] = []
        self._projections = projections
        self._files = target / "artifacts" if isinstance(target, Path) else None
        if isinstance(target, Path):
            target.mkdir(parents=True, exist_ok=True)
        mlflow.set_tracking_uri(f"sqlite:///{target / 'mlflow.db'}" if isinstance(target, Path) else target)
        self._client = mlflow.MlflowClient()
        self._findings = MlflowFindings(self._client, artifacts)
        self._trials = MlflowTrials(self._client, artifacts)
        self._versions = MlflowVersions(self._client, projections, artifacts, self.put_right.append)

    def project(
        self,
        run: Run,
        executions: Sequence[Execution],
        versions: Sequence[ModelVersion],
        champions: Mapping[str, int],
    ) -> None:
        """Writes a run, its versions and their models' champion alias, as far as MLflow does not have them."""
        experiment = self._experiment(run.pipeline)
        run_id = self._run(experiment, run, executions)
        for version in sorted(versions, key=lambda one: (one.model, one.version)):
            self._versions.write(experiment, run_id, version)
            self._versions.point(version.model, champions.get(version.model))

    def _experiment(self, name: str) -> str:
        known = self._client.get_experiment_by_name(name)
        if known is None:
            location = (self._files / name).as_uri() if self._files else None
            return str(self._client.create_experiment(name, artifact_location=location, tags=_EXPERIMENT_TAGS))
        if known.lifecycle_stage == "deleted":
            self.put_right.append(f"experiment {name!r} had been deleted")
            self._client.restore_experiment(known.experiment_id)
        return str(known.experiment_id)

    def _run(self, experiment: str, run: Run, executions: Sequence[Execution]) -> str:
        query = f"tags.`{RUN_TAG}` = '{run.id}'"
        found = self._client.search_runs([experiment], query, ViewType.ALL, max_results=1)
        if found and found[0].info.lifecycle_stage == "deleted":
            self.put_right.append(f"run {run.id} had been deleted")
            self._client.restore_run(found[0].info.run_id)
        known = self._projections.find("run", run.id)
        if found and found[0].data.tags.get(WHOLE_TAG):
            run_id = str(found[0].info.run_id)
        else:
            if known is not None and not found:
                self.put_right.append(f"run {run.id} was gone")
            run_id = str(found[0].info.run_id) if found else self._create_run(experiment, run)
            self._fill(experiment, run_id, run, executions)
        written = Projection(kind="run", key=run.id, digest=run.status, external_id=run_id)
        if known != written:
            self._projections.put(written)
        return run_id

    def _create_run(self, experiment: str, run: Run) -> str:
        tags = {
            RUN_TAG: run.id,  # from the first moment on, so that one that a kill cut off is found and completed
            "mlflow.user": run.user,
            "mlflow.source.name": run.pipeline,
            "mlflow.source.git.commit": run.commit,
            "tidewheel.sources": run.sources_digest,
            "tidewheel.event": run.event_id,
        }
        created = self._client.create_run(
            experiment, start_time=_milliseconds(run.started_at), tags=tags, run_name=run.id
        )
        return str(created.info.run_id)

    def _fill(self, experiment: str, run_id: str, run: Run, executions: Sequence[Execution]) -> None:
        """Writes what is missing; the times are the run's own, so that writing a number again changes nothing."""
        ended = _milliseconds(run.ended_at or run.started_at)
        parameters = [
            Param(name, str(value)[:_LONGEST_PARAMETER]) for name, value in named(executions, "parameters").items()
        ]
        metrics = [
            Metric(name, float(value), ended, 0)
            for name, value in named(executions, "metrics").items()
            if value is not None
        ]
        for start in range(0, len(parameters), _BATCH):
            self._client.log_batch(run_id, params=parameters[start : start + _BATCH])
        for start in range(0, len(metrics), _BATCH):
            self._client.log_batch(run_id, metrics=metrics[start : start + _BATCH])
        for execution in executions:
            self._trials.write(experiment, run_id, execution)
            self._findings.write(run_id, execution)
        self._client.set_terminated(run_id, _STATUS.get(run.status, "KILLED"), ended)
        if run.status != "running":
            self._client.set_tag(run_id, WHOLE_TAG, "true")


def named(executions: Sequence[Execution], attribute: str) -> dict[str, Any]:
    """The parameters or metrics of all steps; a name that two steps use with different values is told by step."""
    values: dict[str, dict[str, Any]] = defaultdict(dict)
    for execution in executions:
        for name, value in getattr(execution, attribute).items():
            values[name][execution.node] = value
    return {
        name if len(set(map(repr, found.values()))) == 1 else f"{node}.{name}": value
        for name, found in values.items()
        for node, value in found.items()
    }


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
