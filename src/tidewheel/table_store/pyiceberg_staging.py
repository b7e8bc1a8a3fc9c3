"""Staging branches: rows that are written and can be audited, but that no reader of the table sees until they are
published.

A staging branch has a name of its own and one snapshot on top of the main one of that moment. Publishing is one guarded
commit: the main branch is set to that snapshot if it still is where the staging began, and the staging branch goes. If
another writer was first, the same files are staged anew on what the table has become. So no snapshot of the main
history ever held a row that was not audited, and no other writer's rows are dropped.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table, Transaction
from pyiceberg.table.refs import MAIN_BRANCH, SnapshotRefType
from pyiceberg.table.snapshots import ancestors_of
from pyiceberg.table.update import (
    AssertRefSnapshotId,
    RemoveSnapshotRefUpdate,
    RemoveSnapshotsUpdate,
    SetSnapshotRefUpdate,
    TableUpdate,
)

from tidewheel.core.errors import ConflictError, NotFoundError
from tidewheel.core.records import Snapshot
from tidewheel.table_store.expired_snapshots import ExpiredSnapshots
from tidewheel.table_store.pyiceberg_commit import commit, storage_errors
from tidewheel.table_store.pyiceberg_files import local_path, remove_files, write_files
from tidewheel.table_store.pyiceberg_history import find_property
from tidewheel.table_store.pyiceberg_schema import arrow_schema
from tidewheel.table_store.pyiceberg_snapshots import SnapshotReader
from tidewheel.table_store.table_reference import TableFile, TableReference

PREFIX = "staging-"
_ID_LENGTH = 16
_FORGOTTEN_S = 86_400.0
"""After so long a staging of which this machine knows no process is nobody's any more."""


class StagedFile(NamedTuple):
    """A data file of a staged batch: which of the given tables its rows are from, and from which row on, from 0."""

    source: int
    first_row: int
    data_file: DataFile


class StagedBatch(NamedTuple):
    """Rows that are written and not published.

    Attributes:
        table: whose rows.
        table_uuid: the identity of that table.
        branch: the staging branch.
        base_id: the main snapshot on which it lies.
        snapshot_id: the staged one.
        files: its data files, in the order of the rows.
        properties: of the snapshot.
    """

    table: str
    table_uuid: str
    branch: str
    base_id: int
    snapshot_id: int
    files: tuple[StagedFile, ...]
    properties: Mapping[str, str]


class PyIcebergStaging:
    """The staging branches of a warehouse; a part of its `PyIcebergTableStore`.

    Args:
        load: gives a table as it is now.
        snapshots: makes records of snapshots.
        expired: finds what forgotten snapshots were committed with.
        folder: where processes tell that they are at work.
    """

    def __init__(
        self, load: Callable[[str], Table], snapshots: SnapshotReader, expired: ExpiredSnapshots, folder: Path
    ) -> None:
        self._load = load
        self._snapshots = snapshots
        self._expired = expired
        self._folder = folder

    @contextlib.contextmanager
    def claim(self, staging_id: str) -> Iterator[None]:
        """Tells other processes of this machine that the stagings of this id have an owner who lives."""
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{staging_id}.lock"
        with open(path, "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            try:
                yield
            finally:  # only a process that was killed leaves it, and so tells that it is dead
                path.unlink(missing_ok=True)

    def is_dead(self, staging_id: str, age_s: float) -> bool:
        """Whether the process that claimed an id is gone; what another machine claimed is given up after a day."""
        path = self._folder / f"{staging_id}.lock"
        try:
            with open(path) as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
        except FileNotFoundError:
            return age_s > _FORGOTTEN_S
        except BlockingIOError:
            return False

    def stage(
        self, name: str, branch: str, tables: Iterable[pa.Table | pa.RecordBatchReader], properties: Mapping[str, str]
    ) -> StagedBatch:
        """Writes rows and commits them to a new branch; nothing of the main branch changes.

        Args:
            name: the table.
            branch: `staging-` and the id that was claimed; more may follow.
            tables: the rows; each gives its own files.
            properties: kept with the snapshot; looked at when the rows have been written.

        Raises:
            NotFoundError: there is no such table.
            SchemaMismatchError: the rows do not fit it.
            StorageError: the disk or the catalog refused.
        """
        table = self._load(name)
        files: list[StagedFile] = []
        try:
            with storage_errors(f"staging rows of table {name!r}"):
                for source, data in enumerate(tables):
                    row = 0
                    for file in write_files(table.metadata, table.io, data, where=f"table {name!r}"):
                        files.append(StagedFile(source, row, file))
                        row += file.record_count
        except BaseException:
            remove_files(table.io, [file.data_file for file in files])
            raise
        try:
            return self._commit(name, str(table.metadata.table_uuid), branch, tuple(files), dict(properties), None)
        except (ConflictError, NotFoundError):  # surely not committed; after any other error the files may be in use
            remove_files(table.io, [file.data_file for file in files])
            raise

    def restage(self, staged: StagedBatch, branch: str) -> StagedBatch:
        """The same files on a new branch, on top of what the table is now; the old branch goes in the same commit."""
        return self._commit(staged.table, staged.table_uuid, branch, staged.files, staged.properties, staged)

    def publish(
        self, staged: StagedBatch, *, unless: Collection[str] = (), replaces: StagedBatch | None = None
    ) -> Snapshot | None:
        """Makes staged rows rows of the table, in one commit, if no other writer was there since they were staged.

        Args:
            staged: what to publish.
            unless: keys of properties; when a snapshot of the table has one of them, nothing is published.
            replaces: another staging that goes in the same commit, with its files: the rows before they were sorted.

        Returns:
            The snapshot that is the current one now; None when another writer was first, and nothing was changed.

        Raises:
            ConflictError: a key of `unless` is there, or the table was made anew.
            StorageError: the catalog refused.
        """

        def change(transaction: Transaction) -> bool:
            metadata = transaction.table_metadata
            for key in unless:
                if find_property(metadata, key) or self._expired.find(staged.table_uuid, key):
                    raise ConflictError(
                        f"table {staged.table!r} has a snapshot with property {key!r}",
                        next_step="nothing is left to publish",
                    )
            if metadata.refs[MAIN_BRANCH].snapshot_id != staged.base_id:
                return False
            published = {"ref-name": MAIN_BRANCH, "type": SnapshotRefType.BRANCH, "snapshot-id": staged.snapshot_id}
            updates: list[TableUpdate] = [
                SetSnapshotRefUpdate.model_validate(published),
                RemoveSnapshotRefUpdate.model_validate({"ref-name": staged.branch}),
            ]
            if replaces is not None and replaces.branch in metadata.refs:
                updates.append(RemoveSnapshotsUpdate.model_validate({"snapshot-ids": [replaces.snapshot_id]}))
            guard = AssertRefSnapshotId.model_validate({"ref": MAIN_BRANCH, "snapshot-id": staged.base_id})
            transaction._apply(tuple(updates), (guard,))
            return True

        table, is_published = commit(
            lambda: self._same(staged.table, staged.table_uuid), change, what=f"publishing to table {staged.table!r}"
        )
        if not is_published:
            return None
        if replaces is not None:
            remove_files(table.io, [file.data_file for file in replaces.files])
        made = table.metadata.snapshot_by_id(staged.snapshot_id)
        assert made is not None
        return self._snapshots.record(table, staged.table, made)

    def discard(self, staged: StagedBatch) -> None:
        """Takes a staging away, with its files; one that was published stays as it is."""
        self._remove_branch(staged.table, staged.branch)

    def sweep(self, name: str) -> tuple[str, ...]:
        """Takes away the stagings of processes that died.

        Returns:
            The branches that went.

        Raises:
            NotFoundError: there is no such table.
        """
        table = self._load(name)
        swept = []
        for branch, ref in list(table.metadata.refs.items()):
            snapshot = table.snapshot_by_id(ref.snapshot_id)
            if not branch.startswith(PREFIX) or snapshot is None:
                continue
            staging_id = branch[len(PREFIX) : len(PREFIX) + _ID_LENGTH]
            if self.is_dead(staging_id, time.time() - snapshot.timestamp_ms / 1000):
                self._remove_branch(name, branch)
                swept.append(branch)
        if self._folder.is_dir():
            for lock in self._folder.glob("*.lock"):
                with contextlib.suppress(OSError):
                    if time.time() - os.path.getmtime(lock) > 7 * _FORGOTTEN_S and self.is_dead(lock.stem, 0.0):
                        lock.unlink()
        return tuple(swept)

    def reference(self, staged: StagedBatch) -> TableReference:
        """The staged rows alone, without those of the table, to read them."""
        table = self._load(staged.table)
        snapshot = table.snapshot_by_id(staged.snapshot_id)
        if snapshot is None:
            raise NotFoundError("snapshot", str(staged.snapshot_id), where=f"table {staged.table!r}")
        record = self._snapshots.record(table, staged.table, snapshot)
        files = [file.data_file for file in staged.files]
        return TableReference(
            snapshot=record,
            metadata_location=table.metadata_location,
            schema=arrow_schema(table.schema()).serialize().to_pybytes(),
            files=tuple(
                TableFile(
                    path=local_path(file.file_path),
                    digest="",
                    row_count=file.record_count,
                    size_bytes=file.file_size_in_bytes,
                )
                for file in files
            ),
            is_direct=True,
        )

    def _commit(
        self,
        name: str,
        table_uuid: str,
        branch: str,
        files: tuple[StagedFile, ...],
        properties: Mapping[str, str],
        instead_of: StagedBatch | None,
    ) -> StagedBatch:
        def change(transaction: Transaction) -> tuple[int, int]:
            base = transaction.table_metadata.refs[MAIN_BRANCH].snapshot_id
            update = transaction.update_snapshot(snapshot_properties=dict(properties), branch=None)
            with update.fast_append() as producer:
                for file in files:
                    producer.append_data_file(file.data_file)
            transaction._apply(*transaction._set_ref_snapshot(producer.snapshot_id, branch, SnapshotRefType.BRANCH))
            if instead_of is not None:
                gone = {"snapshot-ids": [instead_of.snapshot_id]}
                transaction._apply((RemoveSnapshotsUpdate.model_validate(gone),))
            return producer.snapshot_id, base

        _, (snapshot_id, base_id) = commit(
            lambda: self._same(name, table_uuid), change, what=f"staging rows of table {name!r}"
        )
        return StagedBatch(name, table_uuid, branch, base_id, snapshot_id, files, properties)

    def _remove_branch(self, name: str, branch: str) -> None:
        def change(transaction: Transaction) -> list[DataFile]:
            metadata = transaction.table_metadata
            if branch not in metadata.refs:
                return []
            snapshot = metadata.snapshot_by_id(metadata.refs[branch].snapshot_id)
            assert snapshot is not None
            main = {one.snapshot_id for one in ancestors_of(metadata.current_snapshot(), metadata)}
            if snapshot.snapshot_id in main:
                transaction._apply((RemoveSnapshotRefUpdate.model_validate({"ref-name": branch}),))
                return []
            io = transaction._table.io
            files = [
                entry.data_file
                for manifest in snapshot.manifests(io)
                if manifest.added_snapshot_id == snapshot.snapshot_id
                for entry in manifest.fetch_manifest_entry(io)
            ]
            transaction._apply((RemoveSnapshotsUpdate.model_validate({"snapshot-ids": [snapshot.snapshot_id]}),))
            return files

        table, files = commit(lambda: self._load(name), change, what=f"removing a staging of table {name!r}")
        remove_files(table.io, files)

    def _same(self, name: str, table_uuid: str) -> Table:
        table = self._load(name)
        if str(table.metadata.table_uuid) != table_uuid:
            raise ConflictError(f"table {name!r} was dropped and made anew meanwhile", next_step="run it again")
        return table
