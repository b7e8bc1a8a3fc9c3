"""`tidewheel predict MODEL --table T --to OUT`: a recorded operation whose result is there exactly once.

A job is named by all that its result depends on. It writes chunk by chunk to a branch of its own and publishes once;
the same command after a kill finds the branch and goes on, and after it was published finds that.
"""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from tidewheel.artifact_store.file_writer import storage_error
from tidewheel.core.clock import utc_now
from tidewheel.core.errors import ConflictError
from tidewheel.core.records import Snapshot
from tidewheel.core.records.record import Record
from tidewheel.metadata_store.pin import Pin
from tidewheel.workspace.batch_job import JOB, BatchJob
from tidewheel.workspace.cause import request_event
from tidewheel.workspace.operation import Operation, record_operation
from tidewheel.workspace.snapshot_artifact import snapshot_artifact
from tidewheel.workspace.stores import Stores

if TYPE_CHECKING:
    import pyarrow as pa

OPERATION = "predict"
RUN = "tidewheel.run"
FORGOTTEN_S = 7 * 86_400.0
"""What a dead job of another command wrote is taken away after so long."""


class BatchProgress(NamedTuple):
    """How far a job is: rows that are kept of all rows, and how many of them an earlier process had kept."""

    rows: int
    total: int
    resumed: int


def ignore_progress(progress: BatchProgress) -> None:
    """A listener for whom nobody looks."""


class BatchResult(Record, frozen=True, kw_only=True):
    """What a batch prediction made.

    Attributes:
        model, version: what answered.
        input: the rows that it was asked about.
        snapshot: their answers, as a snapshot of the table that was named.
        rows: how many.
        resumed_rows: how many of them an earlier process of the same job had kept.
        is_new: false when this job had been published before, and nothing was done.
        left_out: columns of the input that the result lacks because an answer has their name.
        run_id: of the operation that records it.
    """

    model: str
    version: int
    input: Snapshot
    snapshot: Snapshot
    rows: int
    resumed_rows: int = 0
    is_new: bool = True
    left_out: tuple[str, ...] = ()
    run_id: str = ""


def predict_table(
    stores: Stores, job: BatchJob, tell: Callable[[BatchProgress], None] = ignore_progress
) -> BatchResult:
    """Carries a job out, goes on with it, or finds that it was published.

    Raises:
        SchemaMismatchError: a value does not fit the model; column and row are named.
        ConflictError: another process carries this job out, or another writer changed the table of the answers.
        StorageError: the disk is full or the catalog refused. What was kept stays for the next call; nobody sees it.
    """
    with _alone(stores, job):
        known = _published(stores, job)
        if known is not None and (run_id := _recorder(stores, job, known)):
            return _result(job, known, run_id, is_new=False)
        request = job.request
        parameters = {
            "model": request.model,
            "version": job.version.version,
            "table": f"{request.table}@{job.reader.snapshot.snapshot_id}",
            "to": request.to,
            "keep": job.kept,
            "appends": request.appends,
            "job": job.id,
        }
        event = request_event(stores, request.model, parameters)
        resumed = 0
        with record_operation(stores, OPERATION, parameters, event) as operation:
            operation.inputs = job.inputs()
            if known is None:
                known, resumed = _publish(stores, job, operation, tell)
            stores.snapshots.put(known)
            operation.outputs["snapshot"] = snapshot_artifact(known)
            operation.metrics = {"rows": job.reader.row_count, "resumed_rows": resumed}
        stores.pins.release(operation.run.id)
    return _result(job, known, operation.run.id, resumed=resumed)


@contextmanager
def _alone(stores: Stores, job: BatchJob) -> Iterator[None]:
    """One process of this machine carries out a job at a time; those of others meet at the branch."""
    path = stores.folder / "batches" / f"{job.id}.lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.open("ab")
    except OSError as error:
        raise storage_error("a batch prediction cannot be started", error, path.parent) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConflictError(
                f"another process carries out this job for table {job.request.to!r}",
                next_step="let it go on; the same command shows the result afterwards",
            ) from None
        yield


def _published(stores: Stores, job: BatchJob) -> Snapshot | None:
    """The snapshot that this job has published; for a table that is replaced, only while it is the newest job's."""
    tables, to = stores.tables, job.request.to
    if not tables.exists(to):
        return None
    found = tables.find_by_property(to, JOB, job.id)
    return found if job.request.appends or found == tables.find_by_property(to, JOB) else None


def _recorder(stores: Stores, job: BatchJob, snapshot: Snapshot) -> str:
    """The run that recorded a published snapshot; empty when it was killed before it could."""
    made = stores.executions.by_output(snapshot.digest)
    ours = [one for one in made if one.step == OPERATION and one.parameters.get("job") == job.id]
    return next((one.run_id for one in ours if one.status == "succeeded"), "")


def _publish(
    stores: Stores, job: BatchJob, operation: Operation, tell: Callable[[BatchProgress], None]
) -> tuple[Snapshot, int]:
    from tidewheel.prediction_service.batch_prediction import BatchPrediction

    batches, request, total = stores.tables.batches, job.request, job.reader.row_count
    _pin(stores, job, operation.run.id)
    base = _make_target(stores, job)
    _sweep(stores, job)
    branch = batches.find(request.to, job.id)
    resumed = branch.rows
    tell(BatchProgress(branch.rows, total, resumed))
    facts = {RUN: operation.run.id, **job.facts()}

    def write(rows: pa.Table) -> None:
        nonlocal branch
        branch = batches.append(branch, rows, facts)
        tell(BatchProgress(branch.rows, total, resumed))

    if branch.rows < total:
        prediction = BatchPrediction(job.model, job.kept, join=job.join, chunk_rows=request.chunk_rows)
        rows = job.reader.encoded_batches(job.columns, first_row=branch.rows)
        prediction.carry_out(rows, write, first_chunk=branch.chunks)
    if branch.rows != total:
        raise ConflictError(
            f"{branch.rows:,} of {total:,} rows were kept for table {request.to!r}; nothing was published",
            next_step="run the same command again",
        )
    facts[JOB] = job.id
    if request.appends:
        return batches.publish(branch, facts, replaces=None, unless=JOB), resumed
    return batches.publish(branch, facts, replaces=base), resumed


def _pin(stores: Stores, job: BatchJob, run_id: str) -> None:
    """What is read stays until the operation has succeeded; after a kill for the next call."""
    expires_at = utc_now() + timedelta(days=stores.config.run.pin_days)
    held = [job.reader.snapshot, *job.view_snapshots.values()]
    for one in held:
        stores.snapshots.put(one)
    pins = [Pin(table=one.table, snapshot_id=one.snapshot_id, run_id=run_id, expires_at=expires_at) for one in held]
    stores.pins.put(*pins)


def _make_target(stores: Stores, job: BatchJob) -> int:
    """The table of the answers, with their columns; and its snapshot of this moment."""
    if not stores.tables.exists(job.request.to):
        with suppress(ConflictError):  # another job made it meanwhile
            return stores.tables.create(job.request.to, job.schema).snapshot_id
    return stores.tables.evolve(job.request.to, job.schema).snapshot_id


def _sweep(stores: Stores, job: BatchJob) -> None:
    """Takes away what other jobs for this table left behind that nobody has gone on with for long."""
    for branch, committed_at in stores.tables.batches.list(job.request.to):
        if not branch.name.endswith(job.id) and time.time() - committed_at > FORGOTTEN_S:
            stores.tables.batches.discard(branch)


def _result(job: BatchJob, snapshot: Snapshot, run_id: str, *, resumed: int = 0, is_new: bool = True) -> BatchResult:
    return BatchResult(
        model=job.version.model,
        version=job.version.version,
        input=job.reader.snapshot,
        snapshot=snapshot,
        rows=job.reader.row_count,
        resumed_rows=resumed,
        is_new=is_new,
        left_out=tuple(job.left_out),
        run_id=run_id,
    )
