"""`tidewheel why TABLE`: the chain of facts behind rows, which were ingested, extracted, or answered by a model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from tidewheel.core.counted import counted
from tidewheel.core.errors import NotFoundError
from tidewheel.core.records import Execution, Run, Snapshot
from tidewheel.steps.ingest_properties import FILE, RUN
from tidewheel.workspace.batch_job import JOB
from tidewheel.workspace.snapshot_artifact import TABLE_TYPE
from tidewheel.workspace.stores import Stores
from tidewheel.workspace.why import Link, WhyChain, audit_links, event_links, snapshot_link
from tidewheel.workspace.why_predictions import why_predictions


def why_table(stores: Stores, name: str) -> WhyChain:
    """The chain of a table's newest batch prediction, else of its current rows; with `TABLE@ID` that of a snapshot.

    Raises:
        NotFoundError: there is no such model, table or snapshot.
    """
    table, _, number = name.rpartition("@")
    if not table:
        table, number = name, ""
    if not stores.tables.exists(table):
        raise NotFoundError("model", name, known=[*stores.models.models(), *(one.name for one in stores.tables.list())])
    if number.isdigit():
        snapshot = stores.tables.snapshot(table, id=int(number))
    else:
        snapshot = stores.tables.find_by_property(table, JOB) or stores.tables.snapshot(table)
    if JOB in stores.tables.properties(table, snapshot.snapshot_id):
        return why_predictions(stores, snapshot)
    return WhyChain(table=f"{table}@{snapshot.snapshot_id}", links=tuple(_links(stores, snapshot)))


def _links(stores: Stores, snapshot: Snapshot) -> Iterator[Link]:
    table, number = snapshot.table, snapshot.snapshot_id
    yield snapshot_link(stores, f"{table}@{number}", counted(snapshot.row_count), depth=0)
    own, *earlier = stores.tables.lineage(table, number)
    execution = _maker(stores, snapshot)
    run_id = own.get(RUN) or (execution.run_id if execution else "")
    run = stores.runs.find(run_id) if run_id else None
    if run is None:
        told = (
            "its record is missing" if run_id else "no operation that made it is on record: others may have written it"
        )
        yield Link(noun="run", ref=run_id, text=told, is_found=False)
    else:
        yield from _run(stores, run, own)
    yield from audit_links(stores, table, number, depth=1)
    if run is not None:
        yield from event_links(stores, run.event_id, depth=1)
    yield from _before(table, earlier)


def _run(stores: Stores, run: Run, own: Mapping[str, str]) -> Iterator[Link]:
    """The operation with what it read: files by their contents, and the snapshots that it was given."""
    text = f"{run.pipeline} {run.status} on {run.host} at {run.at:%Y-%m-%d %H:%M}"
    yield Link(noun="run", ref=run.id, text=text, command=f"tidewheel show {run.id}")
    for key, value in own.items():
        if key.startswith(FILE):
            rows, _, file = value.partition(" ")
            yield Link(noun="file", ref=key.removeprefix(FILE), text=f"{counted(int(rows))} of {file}", depth=1)
    for execution in stores.executions.list(run.id):
        for artifact in execution.inputs.values():
            if artifact.type_name == TABLE_TYPE:
                ref = f"{artifact.summary['table']}@{artifact.summary['snapshot_id']}"
                yield Link(noun="snapshot", ref=ref, text="was read", depth=1, command=f"tidewheel why {ref}")


def _maker(stores: Stores, snapshot: Snapshot) -> Execution | None:
    """The operation that recorded this very snapshot; one before its compaction has the same content."""
    for execution in stores.executions.by_output(snapshot.digest):
        ours = [one for one in execution.outputs.values() if one.digest == snapshot.digest]
        is_this = any(one.summary.get("snapshot_id") == str(snapshot.snapshot_id) for one in ours)
        if is_this and execution.status == "succeeded" and not stores.runs.get(execution.run_id).plan_digest:
            return execution
    return None


def _before(table: str, earlier: Sequence[Mapping[str, str]]) -> Iterator[Link]:
    """The rows that were there already, in one line: each of those snapshots has a chain of its own."""
    files = [value for properties in earlier for key, value in properties.items() if key.startswith(FILE)]
    if files:
        rows = sum(int(value.partition(" ")[0]) for value in files)
        text = f"ingested before: {counted(rows)} of {counted(len(files), 'file')}"
        yield Link(noun="snapshots", ref=table, text=text, command=f"tidewheel tables {table}")
