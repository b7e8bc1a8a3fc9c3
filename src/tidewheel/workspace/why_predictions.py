"""The chain of facts behind predictions that were made in a batch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from tidewheel.core.errors import TidewheelError
from tidewheel.core.records import Artifact, Execution, ModelVersion, Snapshot
from tidewheel.workspace.batch_job import JOB, MODEL
from tidewheel.workspace.batch_prediction import OPERATION
from tidewheel.workspace.stores import Stores
from tidewheel.workspace.why import Link, WhyChain, event_links, snapshot_link, version_links


class _Predictions(NamedTuple):
    snapshot: Snapshot
    job: str
    version: ModelVersion


def why_predictions(stores: Stores, snapshot: Snapshot) -> WhyChain:
    """The chain of a snapshot that a batch prediction wrote.

    Raises:
        NotFoundError: the version that answered is unknown.
    """
    properties = stores.tables.properties(snapshot.table, snapshot.snapshot_id)
    model, _, version = properties[MODEL].rpartition("/")
    found = _Predictions(snapshot, properties[JOB], stores.models.get(model, int(version)))
    links = [*_own_links(stores, found), *version_links(stores, found.version)]
    return WhyChain(
        model=found.version.model,
        version=found.version.version,
        table=f"{snapshot.table}@{snapshot.snapshot_id}",
        links=tuple(links),
    )


def _own_links(stores: Stores, found: _Predictions) -> Iterator[Link]:
    snapshot, version = found.snapshot, found.version
    ref = f"{snapshot.table}@{snapshot.snapshot_id}"
    yield snapshot_link(stores, ref, f"{snapshot.row_count:,} rows of predictions", depth=0)
    execution = _execution(stores, found)
    if execution is None:
        told = "its record is missing; the command that made it, given again, completes it"
        yield Link(noun="run", ref=found.job, text=told, is_found=False)
        return
    run = stores.runs.get(execution.run_id)
    text = f"{OPERATION} {run.status} on {run.host} at {run.at:%Y-%m-%d %H:%M}"
    yield Link(noun="run", ref=run.id, text=text, command=f"tidewheel show {run.id}")
    for name, artifact in execution.inputs.items():
        if name == "package":
            yield _package(artifact, version)
        else:
            yield _input(stores, artifact)
    yield from event_links(stores, run.event_id, depth=1)


def _execution(stores: Stores, found: _Predictions) -> Execution | None:
    """The record of the operation that published, or of the one that came after it was killed."""
    made = stores.executions.by_output(found.snapshot.digest)
    ours = [one for one in made if one.step == OPERATION and one.parameters.get("job") == found.job]
    return next((one for one in ours if one.status == "succeeded"), None)


def _package(artifact: Artifact, version: ModelVersion) -> Link:
    is_same = artifact.digest == version.package.digest
    text = f"of {version.model} v{version.version}" + ("" if is_same else ", which has another one now")
    command = f"tidewheel why {version.model} --version {version.version}"
    return Link(noun="package", ref=artifact.digest, text=text, is_found=is_same, depth=1, command=command)


def _input(stores: Stores, artifact: Artifact) -> Link:
    """The rows that were asked about; of a snapshot that was forgotten since, what was recorded."""
    table, number = artifact.summary["table"], int(artifact.summary["snapshot_id"])
    ref, text = f"{table}@{number}", f"{artifact.summary['rows']:,} rows"
    try:
        stores.tables.snapshot(table, id=number)
    except TidewheelError:
        told = f"{text}, content {artifact.digest[:16]}, not kept any more"
        return Link(noun="snapshot", ref=ref, text=told, depth=1)
    return snapshot_link(stores, ref, text, depth=1)
