"""Job branches: rows that a long job writes chunk by chunk, that survive its death, and that readers see all at once.

Each chunk is one commit to the job's branch and carries its number, so that whoever carries the job on knows what is
there. Publishing is one guarded commit to the main branch with all files of the branch; the branch goes with it. No
snapshot of the main history ever holds a part of a job's rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import pyarrow as pa
from pyiceberg.manifest import DataFile, ManifestEntryStatus
from pyiceberg.table import Table, Transaction
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.refs import MAIN_BRANCH, SnapshotRefType
from pyiceberg.table.snapshots import Snapshot as IcebergSnapshot
from pyiceberg.table.snapshots import ancestors_of
from pyiceberg.table.update import RemoveSnapshotsUpdate

from tidewheel.core.errors import ConflictError, NotFoundError
from tidewheel.core.records import Snapshot
from tidewheel.table_store.expired_snapshots import ExpiredSnapshots
from tidewheel.table_store.pyiceberg_commit import commit, storage_errors
from tidewheel.table_store.pyiceberg_files import remove_files, write_files
from tidewheel.table_store.pyiceberg_history import find_property
from tidewheel.table_store.pyiceberg_snapshots import SnapshotReader

PREFIX = "batch-"
CHUNK, ROWS = "tidewheel.batch.chunk", "tidewheel.batch.rows"


class JobBranch(NamedTuple):
    """What a job has written so far.

    Attributes:
        table: whose rows they will be.
        name: of the branch.
        chunks: how many are there; they are numbered from 0 in the order of the rows.
        rows: in them.
    """

    table: str
    name: str
    chunks: int = 0
    rows: int = 0


class PyIcebergBatches:
    """The job branches of a warehouse; a part of its `PyIcebergTableStore`.

    Args:
        load: gives a table as it is now.
        snapshots: makes records of snapshots.
        expired: finds what forgotten snapshots were committed with.
    """

    def __init__(self, load: Callable[[str], Table], snapshots: SnapshotReader, expired: ExpiredSnapshots) -> None:
        self._load = load
        self._snapshots = snapshots
        self._expired = expired

    def find(self, table: str, job: str) -> JobBranch:
        """A job's branch as it is; without chunks when there is none yet.

        Raises:
            NotFoundError: there is no such table.
        """
        name = f"{PREFIX}{job}"
        chain = _chain(self._load(table).metadata, name)
        return _branch_of(table, name, chain)

    def append(self, branch: JobBranch, rows: pa.Table, properties: Mapping[str, str] = {}) -> JobBranch:
        """Writes the next chunk, in one commit to the branch; nothing of the main branch changes.

        Args:
            branch: as it was found or as the last call gave it.
            rows: of the chunk.
            properties: kept with its snapshot.

        Raises:
            ConflictError: another process wrote this chunk; nothing of this call stays.
            SchemaMismatchError: the rows do not fit the table.
            StorageError: the disk or the catalog refused; the chunks before stay.
        """
        table = self._load(branch.table)
        with storage_errors(f"writing chunk {branch.chunks} for table {branch.table!r}"):
            files = write_files(table.metadata, table.io, rows, where=f"table {branch.table!r}")
        told = {**properties, CHUNK: str(branch.chunks), ROWS: str(rows.num_rows)}

        def change(transaction: Transaction) -> None:
            metadata = transaction.table_metadata
            if len(_chain(metadata, branch.name)) != branch.chunks:
                raise ConflictError(
                    f"another process has written chunk {branch.chunks} of this job for table {branch.table!r}",
                    next_step="let it go on; the same command shows the result afterwards",
                )
            target = branch.name if branch.name in metadata.refs else None
            update = transaction.update_snapshot(snapshot_properties=told, branch=target)
            with update.fast_append() as producer:
                for file in files:
                    producer.append_data_file(file)
            if target is None:
                ref = transaction._set_ref_snapshot(producer.snapshot_id, branch.name, SnapshotRefType.BRANCH)
                transaction._apply(*ref)

        try:
            commit(
                lambda: self._same(branch.table, table),
                change,
                what=f"committing chunk {branch.chunks} for table {branch.table!r}",
            )
        except (ConflictError, NotFoundError):  # surely not committed; after any other error the files may be in use
            remove_files(table.io, files)
            raise
        return branch._replace(chunks=branch.chunks + 1, rows=branch.rows + rows.num_rows)

    def publish(
        self, branch: JobBranch, properties: Mapping[str, str], *, replaces: int | None, unless: str = ""
    ) -> Snapshot:
        """Makes the rows of all chunks rows of the table, in one commit; the branch goes in the same commit.

        Args:
            branch: with all its chunks.
            properties: kept with the snapshot.
            replaces: the id of the main snapshot whose rows go; None when all rows stay and these are added.
            unless: a key of `properties`; when a snapshot of the table has it with the same value, nothing is added.

        Raises:
            ConflictError: the table has become another one since `replaces`, or the job was published by another
                process; nothing was changed, and the branch stays.
            StorageError: the disk or the catalog refused; nothing was changed, and the branch stays.
        """
        opened = self._load(branch.table)

        def change(transaction: Transaction) -> int:
            metadata = transaction.table_metadata
            self._check_first(metadata, branch, properties, unless)
            if replaces is not None and metadata.refs[MAIN_BRANCH].snapshot_id != replaces:
                raise ConflictError(
                    f"another writer has changed table {branch.table!r} since this job began; nothing was published",
                    next_step="run the same command again: what was computed is kept, and replaces the other's rows",
                )
            chain = _chain(metadata, branch.name)
            if len(chain) != branch.chunks:
                raise ConflictError(
                    f"another process has published or taken away this job's chunks for table {branch.table!r}",
                    next_step="run the same command again",
                )
            update = transaction.update_snapshot(snapshot_properties=dict(properties))
            with update.fast_append() if replaces is None else update.overwrite() as producer:
                if replaces is not None:
                    for task in transaction._scan().plan_files():
                        producer.delete_data_file(task.file)
                for snapshot in chain:
                    for file in _added_files(snapshot, transaction._table):
                        producer.append_data_file(file)
            gone = [snapshot.snapshot_id for snapshot in chain]
            if gone:
                transaction._apply((RemoveSnapshotsUpdate.model_validate({"snapshot-ids": gone}),))
            return producer.snapshot_id

        table, snapshot_id = commit(
            lambda: self._same(branch.table, opened), change, what=f"publishing to table {branch.table!r}"
        )
        made = table.metadata.snapshot_by_id(snapshot_id)
        assert made is not None
        return self._snapshots.record(table, branch.table, made)

    def discard(self, branch: JobBranch) -> None:
        """Takes a job's chunks away, with their files."""

        def change(transaction: Transaction) -> list[DataFile]:
            chain = _chain(transaction.table_metadata, branch.name)
            if not chain:
                return []
            files = [file for snapshot in chain for file in _added_files(snapshot, transaction._table)]
            gone = {"snapshot-ids": [snapshot.snapshot_id for snapshot in chain]}
            transaction._apply((RemoveSnapshotsUpdate.model_validate(gone),))
            return files

        table, files = commit(
            lambda: self._load(branch.table), change, what=f"removing a job's chunks of table {branch.table!r}"
        )
        remove_files(table.io, files)

    def list(self, table: str) -> tuple[tuple[JobBranch, float], ...]:
        """All job branches of a table, with the time of their last commit in seconds since 1970."""
        metadata = self._load(table).metadata
        found = []
        for name in sorted(metadata.refs):
            chain = _chain(metadata, name) if name.startswith(PREFIX) else []
            if chain:
                found.append((_branch_of(table, name, chain), chain[-1].timestamp_ms / 1000))
        return tuple(found)

    def _check_first(
        self, metadata: TableMetadata, branch: JobBranch, properties: Mapping[str, str], unless: str
    ) -> None:
        if not unless:
            return
        value, uuid = properties[unless], str(metadata.table_uuid)
        if find_property(metadata, unless, value) or self._expired.find(uuid, unless, value):
            raise ConflictError(
                f"another process has published this job to table {branch.table!r}",
                next_step="nothing is left to do",
            )

    def _same(self, name: str, expected: Table) -> Table:
        table = self._load(name)
        if table.metadata.table_uuid != expected.metadata.table_uuid:
            raise ConflictError(f"table {name!r} was dropped and made anew meanwhile", next_step="run it again")
        return table


def _branch_of(table: str, name: str, chain: list[IcebergSnapshot]) -> JobBranch:
    rows = sum(int(_properties(snapshot)[ROWS]) for snapshot in chain)
    return JobBranch(table, name, len(chain), rows)


def _chain(metadata: TableMetadata, branch: str) -> list[IcebergSnapshot]:
    """The snapshots of a job's chunks, in their order; those of the main history on which they lie are none of them."""
    ref = metadata.refs.get(branch)
    if ref is None:
        return []
    found = []
    for snapshot in ancestors_of(metadata.snapshot_by_id(ref.snapshot_id), metadata):
        if CHUNK not in _properties(snapshot):
            break
        found.append(snapshot)
    return found[::-1]


def _properties(snapshot: IcebergSnapshot) -> dict[str, str]:
    return dict(snapshot.summary.additional_properties) if snapshot.summary else {}


def _added_files(snapshot: IcebergSnapshot, table: Table) -> Iterator[DataFile]:
    """The files that a chunk brought, in the order of its rows."""
    for manifest in snapshot.manifests(table.io):
        if manifest.added_snapshot_id == snapshot.snapshot_id:
            for entry in manifest.fetch_manifest_entry(table.io):
                if entry.status == ManifestEntryStatus.ADDED:
                    yield entry.data_file
