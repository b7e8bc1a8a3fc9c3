"""Care for the tables of a workspace: what is kept, decided from pins and tags, and recorded as operations."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from typing import TYPE_CHECKING

from tidewheel.core.clock import utc_now
from tidewheel.core.errors import ConflictError
from tidewheel.core.records import Event
from tidewheel.workspace.cause import request_event
from tidewheel.workspace.held_snapshots import snapshots_of_versions
from tidewheel.workspace.operation import record_operation
from tidewheel.workspace.snapshot_artifact import snapshot_artifact
from tidewheel.workspace.stores import Stores

if TYPE_CHECKING:
    from tidewheel.table_store import MaintenancePolicy, MaintenanceResult
    from tidewheel.table_store.maintenance import Compaction

OPERATION = "compact"


def policy_of(stores: Stores) -> MaintenancePolicy:
    """What the section `[tables]` of `tidewheel.toml` asks for."""
    from tidewheel.table_store import MaintenancePolicy

    config = stores.config.tables
    return MaintenancePolicy(
        keep_snapshots=config.keep_snapshots,
        keep_days=config.keep_days,
        orphan_hours=config.orphan_hours,
        min_files=config.min_files,
    )


def maintain(stores: Stores, table: str | None = None, *, event: Event | None = None) -> list[MaintenanceResult]:
    """Puts small files together, forgets snapshots, removes orphans: of one table or of all.

    Snapshots stay that a pin, a tag or a model version holds: what runs read, what versions were made from.

    Args:
        stores: the workspace's stores.
        table: its name; all by default.
        event: the cause; without one the caller is.

    Raises:
        NotFoundError: there is no such table.
        StorageError: the disk or the catalog refused; what was done until then stands.
    """
    names = [table] if table is not None else [info.name for info in stores.tables.list()]
    if table is not None:
        stores.tables.info(table)
    cause = event or request_event(stores, OPERATION, {"tables": names})
    # Once for all tables: a version that is registered from now on has its tags before its run lets go of its pins.
    held = snapshots_of_versions(stores)
    return [_maintain(stores, name, cause, {number for table, number in held if table == name}) for name in names]


def maintain_due(stores: Stores, event: Event | None = None) -> list[MaintenanceResult]:
    """As `maintain`, of the tables to which enough was added since the last time."""
    policy = policy_of(stores)
    names = [info.name for info in stores.tables.list() if stores.tables.maintenance.is_due(info.name, policy)]
    return [result for name in names for result in maintain(stores, name, event=event)]


def _maintain(stores: Stores, name: str, cause: Event, held: Collection[int]) -> MaintenanceResult:
    from tidewheel.table_store import MaintenanceResult

    policy, care = policy_of(stores), stores.tables.maintenance

    def kept() -> Collection[int]:
        return {pin.snapshot_id for pin in stores.pins.list(name, valid_at=utc_now())}.union(held)

    parameters = {"table": name, **policy.to_dict()}
    with record_operation(stores, OPERATION, parameters, cause) as operation:
        stores.tables.staging.sweep(name)
        compaction, skipped = _compacted(stores, name, policy)
        if compaction is not None:
            stores.snapshots.put(compaction.after)
            operation.inputs["before"] = snapshot_artifact(compaction.before)
            operation.outputs["after"] = snapshot_artifact(compaction.after)
        expired = care.expire(
            name,
            older_than=utc_now() - timedelta(days=policy.keep_days),
            keep_snapshots=policy.keep_snapshots,
            keep=kept,
        )
        orphans = care.remove_orphans(name, timedelta(hours=policy.orphan_hours))
        result = MaintenanceResult(
            table=name,
            compaction=compaction,
            skipped=skipped,
            expired=expired,
            orphans=len(orphans),
            freed_bytes=sum(orphan.size_bytes for orphan in orphans),
        )
        operation.metrics = _metrics(result)
    return result


def _compacted(stores: Stores, name: str, policy: MaintenancePolicy) -> tuple[Compaction | None, str]:
    """What was put together, or why the table's files stay as they are."""
    care = stores.tables.maintenance
    if skipped := care.why_not(name):
        return None, skipped
    try:
        return care.compact(name, policy), ""
    except ConflictError as error:  # a writer replaced rows meanwhile: the next time will do
        return None, error.what


def _metrics(result: MaintenanceResult) -> dict[str, float | None]:
    return {
        "files_removed": result.compaction.files_removed if result.compaction else 0,
        "files_added": result.compaction.files_added if result.compaction else 0,
        "snapshots_expired": len(result.expired),
        "orphans_removed": result.orphans,
        "freed_bytes": result.freed_bytes,
    }
