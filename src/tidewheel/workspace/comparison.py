"""Runs side by side: data, code, parameters, environment and numbers, and where they differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tidewheel.core.errors import ParameterError
from tidewheel.core.records import Execution, Run
from tidewheel.core.records.trial import TrialRow, trials_of
from tidewheel.workspace.comparison_page import render_body, render_comparison
from tidewheel.workspace.comparison_row import RUN_TOPICS, Row, Topic, by_topic, differing
from tidewheel.workspace.preparation import NO_CHAMPION
from tidewheel.workspace.stores import Stores

Column = dict[tuple[Topic, str], Any]


@dataclass(frozen=True, slots=True)
class Comparison:
    """What several runs have in common and what not.

    Args:
        run_ids: in the order in which they were named.
        rows: everything, by topic and name.
        trials: of searches that the runs made, by run id.
    """

    run_ids: tuple[str, ...]
    rows: tuple[Row, ...]
    trials: Mapping[str, Sequence[TrialRow]]

    @property
    def differences(self) -> tuple[Row, ...]:
        """Only what is not the same in all runs."""
        return differing(self.rows)

    def to_dict(self) -> dict[str, Any]:
        """As JSON types: run ids, and for each topic the values by name."""
        return {"runs": list(self.run_ids), **by_topic(self.rows, RUN_TOPICS)}

    def to_html(self) -> str:
        """A page with plots of the numbers and of the trials, which needs nothing else."""
        return render_comparison(self.run_ids, self.rows, self.trials)

    def __repr__(self) -> str:
        told = f"{len(self.differences)} of {len(self.rows)} things differ"
        return f"<comparison of runs {', '.join(self.run_ids)}: {told}>"

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        return render_body(self.run_ids, self.rows, self.trials)


def compare(stores: Stores, runs: Sequence[Run]) -> Comparison:
    """Puts runs side by side.

    Raises:
        ParameterError: fewer than two runs are named, or one twice.
    """
    ids = [run.id for run in runs]
    if len(ids) < 2 or len(set(ids)) < len(ids):
        told = "`tidewheel experiments` lists them"
        raise ParameterError("a comparison needs at least two different runs", next_step=told)
    executions = [stores.executions.list(run.id) for run in runs]
    columns = [_column(run, steps) for run, steps in zip(runs, executions, strict=True)]
    keys = {key for column in columns for key in column}
    order = {topic: place for place, topic in enumerate(RUN_TOPICS)}
    rows = [
        Row(topic, name, tuple(column.get((topic, name)) for column in columns))
        for topic, name in sorted(keys, key=lambda key: (order[key[0]], key[1]))
    ]
    trials = {run.id: _trials(stores, steps) for run, steps in zip(runs, executions, strict=True)}
    return Comparison(tuple(ids), tuple(rows), {run_id: found for run_id, found in trials.items() if found})


def _column(run: Run, steps: Sequence[Execution]) -> Column:
    """Everything of one run."""
    return {
        **_run(run),
        **_data(steps),
        **_code(steps),
        **_parameters(run, steps),
        **_environment(steps),
        **_metrics(steps),
    }


def _run(run: Run) -> Column:
    seconds = (run.ended_at - run.started_at).total_seconds() if run.ended_at else None
    facts = {
        "pipeline": run.pipeline,
        "status": run.status,
        "at": run.at.isoformat(),
        "seconds": seconds,
        "commit": run.commit[:12] + ("+" if run.commit and run.is_dirty else ""),
        "branch": run.branch,
        "user": run.user,
    }
    return {("run", name): value for name, value in facts.items()}


def _data(executions: Sequence[Execution]) -> Column:
    """Snapshots by table, however a step came by them: content, address and rows."""
    found: Column = {}
    for execution in executions:
        for artifact in (*execution.inputs.values(), *execution.outputs.values()):
            if artifact.codec.startswith("snapshot/"):
                summary = artifact.summary
                told = f"{summary['snapshot_id']}, {summary.get('rows', 0):,} rows, content {artifact.digest[:12]}"
                found["data", summary["table"]] = told
            elif artifact.codec.startswith("champion/"):
                version = artifact.summary["version"]
                told = "none yet" if version == NO_CHAMPION else f"v{version}"
                found["data", f"champion {artifact.summary['model']}"] = told
    return found


def _code(executions: Sequence[Execution]) -> Column:
    """Functions and names that the steps reach, as their keys know them."""
    found: Column = {}
    for execution in executions:
        for part in ("code", "modules", "files"):
            for name, digest in _by_name(execution, part).items():
                found["code", name] = str(digest)[:12]
    return found


def _parameters(run: Run, executions: Sequence[Execution]) -> Column:
    found: Column = {("parameters", name): value for name, value in run.parameters.items()}
    for execution in executions:
        if execution.fingerprint_parts:
            found |= {("parameters", f"{execution.node}.{name}"): one for name, one in execution.parameters.items()}
    return found


def _environment(executions: Sequence[Execution]) -> Column:
    found: Column = {}
    for execution in executions:
        parts = execution.fingerprint_parts
        for name in ("python", "platform"):
            if parts.get(name):
                found["environment", name] = parts[name]
        found |= {("environment", name): one for name, one in _by_name(execution, "distributions").items()}
        found |= {("environment", f"${name}"): one for name, one in _by_name(execution, "variables").items()}
    return found


def _metrics(executions: Sequence[Execution]) -> Column:
    return {("metrics", name): value for execution in executions for name, value in execution.metrics.items()}


def _by_name(execution: Execution, part: str) -> Mapping[str, Any]:
    found = execution.fingerprint_parts.get(part)
    return found if isinstance(found, dict) else {}


def _trials(stores: Stores, executions: Sequence[Execution]) -> Sequence[TrialRow]:
    """The trials of the run's search; an artifact that is gone is no reason not to compare the rest."""
    for execution in executions:
        artifact = trials_of(execution)
        if artifact is not None and stores.artifacts.path_of(artifact).exists():
            return [TrialRow.of_columns(row) for row in stores.artifacts.load(artifact).to_pylist()]
    return ()
