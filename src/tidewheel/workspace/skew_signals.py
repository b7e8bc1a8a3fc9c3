"""What data validation found about values becomes a Signal: the orchestrator's side writes, workers do not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tidewheel.artifact_store.codec_table import qualified_name
from tidewheel.core.clock import utc_now
from tidewheel.core.identifier import new_id
from tidewheel.core.records import Artifact, Evidence, Execution, Run, Signal, ValidationReport, ValueSkew
from tidewheel.workspace.declaration import ModelDeclaration
from tidewheel.workspace.stores import Stores

MONITOR = "data validation"
REPORT_TYPE = qualified_name(ValidationReport)


def record_skew(
    stores: Stores, models: Mapping[str, ModelDeclaration], run: Run, executions: Mapping[str, Execution]
) -> list[Signal]:
    """The new signals of a run: one for each report on a table that a champion was compared with, once for equal ones.

    Before the first champion there is nothing to be retrained, and no signal.

    Args:
        models: those that the project declares: a run of the pipeline that makes a model retrains it.
        run: with its outcome.
    """
    found = []
    for artifact in reports_of(executions):
        report: ValidationReport = stores.artifacts.load(artifact, ValidationReport)
        source = report.reference
        if source.version is None or report.skew is None or not report.skew.row_count:
            continue
        declared = models.get(source.model)
        is_retrained = declared is not None and declared.pipeline == run.pipeline and run.status == "succeeded"
        signal = _signal(stores, artifact, report, report.skew, run, retrained_by=run.id if is_retrained else "")
        created, is_new = stores.signals.create(signal)
        if is_new:
            found.append(created)
    return found


def reports_of(executions: Mapping[str, Execution]) -> Iterator[Artifact]:
    """The reports of data validation among what was made, also by steps that stopped the run."""
    for execution in executions.values():
        yield from (one for one in execution.outputs.values() if one.type_name == REPORT_TYPE)


def _signal(
    stores: Stores, artifact: Artifact, report: ValidationReport, skew: ValueSkew, run: Run, *, retrained_by: str
) -> Signal:
    source, moved = report.reference, skew.moved
    version = source.version or 0
    judged = [column for column in skew.columns if not column.exemption]
    return Signal(
        id=new_id(),
        key=f"{MONITOR}/{source.table}/{source.model}/v{version}/{artifact.digest}",
        monitor=MONITOR,
        kind="skew",
        model=source.model,
        version=version,
        window_start=stores.models.get(source.model, version).at,
        window_end=run.at,
        is_alarm=bool(moved),
        value=max((column.distance or 0.0 for column in moved or judged), default=0.0),
        threshold=skew.effect,
        numbers={
            "row_count": skew.row_count,
            "moved": [column.column for column in moved],
            "judged_count": len(judged),
            "distances": {column.column: column.distance for column in judged},
            "retrained_by": retrained_by,
        },
        evidence=(
            Evidence(kind="run", ref=run.id, note=f"of pipeline {run.pipeline}, its report {artifact.digest[:16]}"),
            Evidence(kind="snapshot", ref=f"{source.table}@{source.snapshot_id}", note=source.reason),
        ),
        message=_message(source.table, version, skew, len(judged)),
        at=run.at,
        recorded_at=utc_now(),
    )


def _message(table: str, version: int, skew: ValueSkew, judged: int) -> str:
    if not skew.moved:
        return f"{table}: none of {judged} columns has moved since v{version} was trained"
    told = ", ".join(
        f"{one.column} (distance {one.distance or 0:.2f}, missing {one.missing_before:.1%} to {one.missing_after:.1%})"
        for one in skew.moved[:6]
    )
    more = f" and {len(skew.moved) - 6} more" if len(skew.moved) > 6 else ""
    number = f"{len(skew.moved)} of {judged} columns"
    return f"{table}: {number} have moved since v{version} was trained, which asks for retraining: {told}{more}"
