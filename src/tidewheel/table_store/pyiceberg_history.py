"""The history of a table: its tags, what its snapshots were committed with, and forgetting old ones.

The changes here are those that `pyiceberg_commit.commit` applies: each looks at the newest version of the table.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from pyiceberg.table import Transaction
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.refs import SnapshotRefType
from pyiceberg.table.snapshots import Snapshot as IcebergSnapshot
from pyiceberg.table.snapshots import ancestors_of
from pyiceberg.table.update import RemoveSnapshotRefUpdate

from tidewheel.core.errors import ConflictError, NotFoundError


def tags_of(metadata: TableMetadata) -> dict[str, int]:
    """Tags, by name, and the ids of their snapshots."""
    return {
        name: ref.snapshot_id
        for name, ref in sorted(metadata.refs.items())
        if ref.snapshot_ref_type == SnapshotRefType.TAG
    }


def set_tag(name: str, snapshot_id: int, tag: str, transaction: Transaction) -> None:
    """Stages a new tag; nothing, when it is there already.

    Raises:
        NotFoundError: there is no such snapshot.
        ConflictError: the tag names another snapshot, or a branch has its name.
    """
    metadata = transaction.table_metadata
    if metadata.snapshot_by_id(snapshot_id) is None:
        known = (str(snapshot.snapshot_id) for snapshot in metadata.snapshots)
        raise NotFoundError("snapshot", str(snapshot_id), known=known, where=f"table {name!r}")
    existing = metadata.refs.get(tag)
    if existing is None:
        # The commit asserts that the tag is still absent; PyIceberg's own call would move it silently.
        transaction._apply(*transaction._set_ref_snapshot(snapshot_id, tag, SnapshotRefType.TAG))
    elif existing.snapshot_id != snapshot_id or existing.snapshot_ref_type != SnapshotRefType.TAG:
        raise ConflictError(
            f"{existing.snapshot_ref_type} {tag!r} of table {name!r} names snapshot {existing.snapshot_id}",
            next_step="choose another name",
        )


def remove_tag(name: str, tag: str, transaction: Transaction) -> None:
    """Stages the removal of a tag.

    Raises:
        NotFoundError: there is no such tag.
    """
    tags = tags_of(transaction.table_metadata)
    if tag not in tags:
        raise NotFoundError("tag", tag, known=tags, where=f"table {name!r}")
    transaction._apply((RemoveSnapshotRefUpdate.model_validate({"ref-name": tag}),))


def snapshots_to_expire(
    metadata: TableMetadata, older_than: datetime, count: int, keep: Collection[int]
) -> tuple[int, ...]:
    """The snapshots beyond the newest `count`, and older ones, that no tag, branch or `keep` holds; oldest first.

    Of a branch beside the main one all snapshots are held that are its own: a job reads from them what it has done.
    """
    held = {ref.snapshot_id for ref in metadata.refs.values()} | set(keep) | _beside_main(metadata)
    before_ms = older_than.timestamp() * 1000
    ordered = sorted(metadata.snapshots, key=lambda one: one.sequence_number or 0, reverse=True)
    old = [
        snapshot.snapshot_id
        for place, snapshot in enumerate(ordered)
        if (place >= count or snapshot.timestamp_ms < before_ms) and snapshot.snapshot_id not in held
    ]
    return tuple(reversed(old))


def find_property(metadata: TableMetadata, key: str, value: str | None = None) -> IcebergSnapshot | None:
    """The newest snapshot of the main history that has a property, with any value or a given one.

    The history is followed by parents, and by the log where expiry has cut that chain.
    """
    for snapshot in main_history(metadata):
        found = snapshot.summary.additional_properties.get(key) if snapshot.summary else None
        if found is not None and value in (None, found):
            return snapshot
    return None


def main_history(metadata: TableMetadata) -> list[IcebergSnapshot]:
    """The snapshots that were or are the current one, the newest first."""
    history = _main_ids(metadata)
    newest = sorted(metadata.snapshots, key=lambda one: one.sequence_number or 0, reverse=True)
    return [snapshot for snapshot in newest if snapshot.snapshot_id in history]


def published_ids(metadata: TableMetadata) -> set[int]:
    """The snapshots of the main history and of tags: not those that were only staged."""
    return _main_ids(metadata) | set(tags_of(metadata).values())


def _beside_main(metadata: TableMetadata) -> set[int]:
    main, beside = _main_ids(metadata), set()
    for ref in metadata.refs.values():
        for snapshot in ancestors_of(metadata.snapshot_by_id(ref.snapshot_id), metadata):
            if ref.snapshot_ref_type == SnapshotRefType.TAG or snapshot.snapshot_id in main:
                break
            beside.add(snapshot.snapshot_id)
    return beside


def _main_ids(metadata: TableMetadata) -> set[int]:
    history = {entry.snapshot_id for entry in metadata.snapshot_log}
    return history | {snapshot.snapshot_id for snapshot in ancestors_of(metadata.current_snapshot(), metadata)}
