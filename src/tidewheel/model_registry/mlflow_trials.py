"""The trials of a search as child runs of the run that made it."""

from __future__ import annotations

from typing import Any

from mlflow.entities import Metric, Param, RunTag, ViewType

from tidewheel.artifact_store import LocalArtifactStore
from tidewheel.core.records import Execution
from tidewheel.core.records.trial import TrialRow, trials_of

TRIAL_TAG, WHOLE_TAG = "tidewheel.trial", "tidewheel.whole"
PARENT_TAG = "mlflow.parentRunId"
_STATUS = {"succeeded": "FINISHED", "pruned": "KILLED", "failed": "FAILED"}
_PAGE = 1000


class MlflowTrials:
    """Writes what a table of trials says; idempotent, a child that a kill cut off is completed.

    Args:
        client: MLflow's.
        artifacts: where tables are.
    """

    def __init__(self, client: Any, artifacts: LocalArtifactStore) -> None:
        self._client = client
        self._artifacts = artifacts

    def write(self, experiment: str, parent: str, execution: Execution) -> None:
        """One child run for each trial of an execution that made a table of trials; any other has none.

        A trial has no times of its own, since its record depends on none: its child shows those of the step.
        """
        artifact = trials_of(execution)
        if artifact is None or execution.status != "succeeded":  # of a cached one they belong to the run that made them
            return
        known = self._known(experiment, parent)
        for row in self._artifacts.load(artifact).to_pylist():
            trial = TrialRow.of_columns(row)
            key = f"{execution.node}/{trial.number}"
            if not known.get(key, ("", False))[1]:
                self._write_one(experiment, parent, execution, trial, key, known.get(key, ("", False))[0])

    def _known(self, experiment: str, parent: str) -> dict[str, tuple[str, bool]]:
        """The children that there are: run id and whether it is whole, by trial."""
        found: dict[str, tuple[str, bool]] = {}
        token: str | None = None
        while True:
            query = f"tags.`{PARENT_TAG}` = '{parent}'"
            page = self._client.search_runs([experiment], query, ViewType.ALL, max_results=_PAGE, page_token=token)
            for run in page:
                tags = run.data.tags
                found[tags.get(TRIAL_TAG, "")] = (str(run.info.run_id), WHOLE_TAG in tags)
            token = page.token
            if not token:
                return found

    def _write_one(
        self, experiment: str, parent: str, execution: Execution, trial: TrialRow, key: str, run_id: str
    ) -> None:
        started, ended = (
            int(one.timestamp() * 1000) if one else 0 for one in (execution.started_at, execution.ended_at)
        )
        if not run_id:
            tags = {
                PARENT_TAG: parent,
                TRIAL_TAG: key,
                "tidewheel.state": trial.state,
                "tidewheel.reason": trial.reason,
            }
            name = f"{execution.node} {trial.number}"
            created = self._client.create_run(experiment, start_time=started, tags=tags, run_name=name)
            run_id = str(created.info.run_id)
        parameters = {"algorithm": trial.algorithm, "seed": trial.seed, **trial.parameters}
        if trial.rounds is not None:
            parameters["rounds"] = trial.rounds
        self._client.log_batch(
            run_id,
            params=[Param(name, str(value)) for name, value in parameters.items()],
            metrics=[Metric(name, value, ended, 0) for name, value in trial.metrics.items()],
        )
        self._client.set_terminated(run_id, _STATUS[trial.state], ended)
        self._client.log_batch(run_id, tags=[RunTag(WHOLE_TAG, "true")])
