"""Profiles of a workspace's snapshots: made once for each, recorded, found again."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from tidewheel.core.records import Artifact, Execution
from tidewheel.workspace.cause import request_event
from tidewheel.workspace.operation import record_operation
from tidewheel.workspace.snapshot_artifact import snapshot_artifact
from tidewheel.workspace.stores import Stores

if TYPE_CHECKING:
    from tidewheel.statistics import Profile
    from tidewheel.steps.data_analysis import TableAnalysis
    from tidewheel.table_store import TableReader

OPERATION = "profile"


def profile_snapshot(stores: Stores, table: TableReader) -> Profile:
    """The profile of a snapshot: the one that was made before, or a new one, recorded as an operation of its own.

    Raises:
        ArtifactMissingError, ArtifactCorruptError: a data file is gone or damaged.
    """
    from tidewheel.statistics import Profile
    from tidewheel.statistics.profile_pass import profile_batches

    known = _find(stores, table)
    if known is not None:
        found: Profile = stores.artifacts.load(known.outputs["profile"], Profile)
        return found
    profile = profile_batches(table.encoded_batches(), table.schema)
    _record(stores, table, profile)
    return profile


def profile_artifact(stores: Stores, table: TableReader) -> Artifact:
    """As `profile_snapshot`, the stored profile without reading it.

    Raises:
        ArtifactMissingError, ArtifactCorruptError: a data file is gone or damaged.
    """
    from tidewheel.statistics.profile_pass import profile_batches

    known = _find(stores, table)
    if known is not None:
        return known.outputs["profile"]
    return _record(stores, table, profile_batches(table.encoded_batches(), table.schema))


def analyze_table(
    stores: Stores,
    table: TableReader,
    *,
    reference: TableReader | None = None,
    ignore: Collection[str] = (),
    exempt: Collection[str] = (),
    target: str = "",
    time: str = "",
) -> TableAnalysis:
    """Looks at a snapshot, and compares it with another of the table when one is given.

    Args:
        reference: an earlier snapshot.
        ignore: columns that are compared with it, but not called moved.
        exempt: the same, by the contract of the table.
        target: the column that is to be predicted.
        time: the column with the time that rows are about; found by itself when empty.

    Raises:
        NotFoundError, ParameterError: `target`, `time` or a column to be ignored cannot be used so.
    """
    from tidewheel.steps.data_analysis import analyze

    found = analyze(
        table.encoded_batches(),
        table.schema,
        table.row_count,
        title=_title(table, reference),
        target=target,
        time=time,
        reference=profile_snapshot(stores, reference) if reference is not None else None,
        ignore=ignore,
        exempt=exempt,
    )
    if _find(stores, table) is None:
        _record(stores, table, found.profile)
    return found


def _title(table: TableReader, reference: TableReader | None) -> str:
    title = f"{table.snapshot.table}, snapshot {table.snapshot.snapshot_id}"
    return title if reference is None else f"{title}, compared with {reference.snapshot.snapshot_id}"


def _find(stores: Stores, table: TableReader) -> Execution | None:
    from tidewheel.workspace.codecs import codec_table

    current = codec_table().find_for_type_names(["tidewheel.statistics.profile.Profile"])
    for execution in stores.executions.by_input(snapshot_artifact(table.snapshot).digest):
        artifact = execution.outputs.get("profile")
        if execution.step != OPERATION or execution.status != "succeeded" or artifact is None:
            continue
        if artifact.codec == current and stores.artifacts.is_present(artifact):
            return execution
    return None


def _record(stores: Stores, table: TableReader, profile: Profile) -> Artifact:
    snapshot = table.snapshot
    parameters = {"table": snapshot.table, "snapshot": str(snapshot.snapshot_id)}
    with record_operation(stores, OPERATION, parameters, request_event(stores, OPERATION, parameters)) as operation:
        stores.snapshots.put(snapshot)
        operation.inputs["table"] = snapshot_artifact(snapshot)
        operation.outputs["profile"] = stores.artifacts.put(profile)
        operation.metrics = {"rows": profile.row_count, "columns": len(profile.columns)}
    return operation.outputs["profile"]
