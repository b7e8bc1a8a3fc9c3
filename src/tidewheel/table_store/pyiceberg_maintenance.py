"""Care for tables: small files put together, old snapshots forgotten, files removed that nothing needs.

Each part is one commit or none, so whatever is killed leaves the table as it was or as it should be, and files that
nothing names, which a later run removes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from pyiceberg.manifest import DataFile
from pyiceberg.table import FileScanTask, Table, Transaction
from pyiceberg.table.snapshots import Operation
from pyiceberg.table.update import RemoveSnapshotsUpdate

from tidewheel.core.errors import ConflictError, NotFoundError, StorageError
from tidewheel.table_store.compaction_plan import plan_groups
from tidewheel.table_store.expired_snapshots import ExpiredSnapshot, ExpiredSnapshots
from tidewheel.table_store.file_index import FileIndex
from tidewheel.table_store.maintenance import Compaction, MaintenancePolicy
from tidewheel.table_store.pyiceberg_commit import commit, storage_errors
from tidewheel.table_store.pyiceberg_files import ROWS_PER_FILE, LiveFile, live_files, remove_files
from tidewheel.table_store.pyiceberg_history import published_ids, snapshots_to_expire
from tidewheel.table_store.pyiceberg_orphans import Orphan, find_orphans, remove_orphans
from tidewheel.table_store.pyiceberg_rewrite import NewFile, RewriteFiles, rewrite_group
from tidewheel.table_store.pyiceberg_schema import schema_key
from tidewheel.table_store.pyiceberg_snapshots import SnapshotReader

_CONTENTS_PER_FILE = 10_000
"""So that a footer stays below a megabyte."""

_COMMITS_BETWEEN = 25


class PyIcebergMaintenance:
    """Care for the tables of a warehouse; a part of its `PyIcebergTableStore`.

    Args:
        load: gives a table as it is now.
        snapshots: makes records of snapshots.
        index: facts of immutable files.
        expired: where the properties of forgotten snapshots are kept.
    """

    def __init__(
        self, load: Callable[[str], Table], snapshots: SnapshotReader, index: FileIndex, expired: ExpiredSnapshots
    ) -> None:
        self._load = load
        self._snapshots = snapshots
        self._index = index
        self._expired = expired

    def is_due(self, name: str, policy: MaintenancePolicy) -> bool:
        """Whether enough happened since the last time; reads the table's metadata only.

        Raises:
            NotFoundError: there is no such table.
        """
        metadata = self._load(name).metadata
        newest = sorted(metadata.snapshots, key=lambda one: one.sequence_number or 0, reverse=True)
        since = 0
        for snapshot in newest:
            if snapshot.summary is not None and snapshot.summary.operation == Operation.REPLACE:
                break
            since += 1
        return since >= _COMMITS_BETWEEN or len(newest) > policy.keep_snapshots + _COMMITS_BETWEEN

    def why_not(self, name: str) -> str:
        """Why a table's files cannot be put together here; empty when they can.

        Raises:
            NotFoundError: there is no such table.
        """
        table = self._load(name)
        if table.metadata.format_version != 2:
            return f"Iceberg's format version {table.metadata.format_version} is not written here"
        if any(not spec.is_unpartitioned() for spec in table.specs().values()):
            return "it is partitioned"
        return ""

    def compact(self, name: str, policy: MaintenancePolicy) -> Compaction | None:
        """Puts small neighbouring files together; writes those anew whose columns changed since or that deletes name.

        The rows stay the same and in the same order, and so does the snapshot's digest. Appends go on meanwhile.

        Returns:
            None when nothing is to be done.

        Raises:
            NotFoundError: there is no such table.
            ConflictError: rows were replaced or deleted meanwhile; nothing was changed.
            StorageError: the disk or the catalog refused, or a file cannot be read; nothing was changed.
        """
        table = self._load(name)
        current = table.current_snapshot()
        if current is None or self.why_not(name):
            return None
        files = live_files(table, current, self._index)
        groups = _plan(files, schema_key(table.schema()), policy.min_files)
        if not groups:
            return None
        before = self._snapshots.record(table, name, current)
        written = _written(table, name, files, groups)
        deletes = frozenset(file.path for file in files if file.content != "data")

        def change(transaction: Transaction) -> int:
            metadata = transaction.table_metadata
            if metadata.table_uuid != table.metadata.table_uuid or metadata.schema() != table.schema():
                raise ConflictError(f"table {name!r} has other columns now", next_step="run it again")
            with RewriteFiles(transaction, written, deletes, {}) as producer:
                pass
            return producer.snapshot_id

        try:
            after, snapshot_id = commit(lambda: self._load(name), change, what=f"compacting table {name!r}")
        except (ConflictError, NotFoundError):  # surely not committed; after any other error the files may be in use
            remove_files(table.io, _data_files(written))
            raise
        made = after.metadata.snapshot_by_id(snapshot_id)
        assert made is not None
        return Compaction(
            before=before,
            after=self._snapshots.record(after, name, made),
            files_removed=sum(len(file.replaces) for file in written),
            files_added=len(_data_files(written)),
        )

    def expire(
        self, name: str, *, older_than: datetime, keep_snapshots: int, keep: Callable[[], Collection[int]]
    ) -> tuple[int, ...]:
        """Forgets snapshots; never the current one, tagged ones or heads of branches.

        What they were committed with is kept and still found. Files stay until they are removed as orphans.

        Args:
            name: the table.
            older_than: those committed before this time go.
            keep_snapshots: those before the newest so many go too.
            keep: the ids that stay, such as pinned ones; asked at the moment of the commit.

        Returns:
            The ids that went, oldest first.

        Raises:
            NotFoundError: there is no such table.
        """

        def change(transaction: Transaction) -> tuple[int, ...]:
            metadata = transaction.table_metadata
            old = snapshots_to_expire(metadata, older_than, keep_snapshots, frozenset(keep()))
            if not old:
                return ()
            published = published_ids(metadata)
            self._expired.put(list(self._told(transaction._table, name, [one for one in old if one in published])))
            transaction._apply((RemoveSnapshotsUpdate.model_validate({"snapshot-ids": list(old)}),))
            return old

        return commit(lambda: self._load(name), change, what=f"expiring snapshots of table {name!r}")[1]

    def find_orphans(self, name: str, grace: timedelta) -> list[Orphan]:
        """Files in the table's folder that no snapshot names and that are older than a time of grace.

        Raises:
            NotFoundError: there is no such table.
        """
        return find_orphans(lambda: self._load(name), self._index, older_than_s=time.time() - grace.total_seconds())

    def remove_orphans(self, name: str, grace: timedelta) -> list[Orphan]:
        """Removes these files. Those of a table that others write over a network are left alone.

        Returns:
            The files that went.
        """
        return remove_orphans(self.find_orphans(name, grace))

    def _told(self, table: Table, name: str, ids: Iterable[int]) -> Iterator[ExpiredSnapshot]:
        for number in ids:
            snapshot = table.metadata.snapshot_by_id(number)
            properties = dict(snapshot.summary.additional_properties) if snapshot and snapshot.summary else {}
            if snapshot is not None and any(key.startswith("tidewheel.") for key in properties):
                record = self._snapshots.record(table, name, snapshot)
                yield ExpiredSnapshot(snapshot=record, sequence=snapshot.sequence_number or 0, properties=properties)


def _plan(files: Sequence[LiveFile], layout: str, min_files: int) -> list[list[LiveFile]]:
    data = [file for file in files if file.content == "data"]
    if len(data) < len(files):  # deletes are applied once and for all: nothing stays as it is
        stale = frozenset(range(len(data)))
    else:
        stale = frozenset(place for place, file in enumerate(data) if file.layout != layout)
    groups = plan_groups([file.row_count for file in data], target_rows=ROWS_PER_FILE, min_files=min_files, stale=stale)
    return [part for group in groups for part in _cut([data[place] for place in group])]


def _cut(group: list[LiveFile]) -> Iterator[list[LiveFile]]:
    """Parts of a group of which none stands for too many files."""
    part: list[LiveFile] = []
    for file in group:
        if part and sum(len(one.contents) for one in part) + len(file.contents) > _CONTENTS_PER_FILE:
            yield part
            part = []
        part.append(file)
    yield part


def _written(table: Table, name: str, files: Sequence[LiveFile], groups: Sequence[Sequence[LiveFile]]) -> list[NewFile]:
    """The files that stand for the groups, all of them or none."""
    written: list[NewFile] = []
    try:
        with storage_errors(f"compacting table {name!r}"):
            written.extend(_rewritten(table, files, groups))
    except BaseException:
        remove_files(table.io, _data_files(written))
        raise
    return written


def _rewritten(table: Table, files: Sequence[LiveFile], groups: Sequence[Sequence[LiveFile]]) -> Iterator[NewFile]:
    tasks = _tasks(table)
    deletes = [content for file in files if file.content != "data" for content in file.contents]
    for group in groups:
        contents = [*deletes, *(content for file in group for content in file.contents)]
        new = rewrite_group(table, [tasks[file.path] for file in group], contents)
        if new.data_file is not None:
            deletes = []  # counted once, in the first file
        yield new


def _tasks(table: Table) -> dict[str, FileScanTask]:
    try:
        return {task.file.file_path: task for task in table.scan().plan_files()}
    except (ValueError, NotImplementedError) as error:
        raise StorageError(
            f"the files of table {'.'.join(table.name())!r} cannot be read: {error}",
            next_step="compact it with the engine that wrote them",
        ) from error


def _data_files(files: Iterable[NewFile]) -> list[DataFile]:
    return [file.data_file for file in files if file.data_file is not None]
