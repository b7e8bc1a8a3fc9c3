"""Puts data files of a table together: new files for runs of old ones, in one commit that changes no row.

The rows keep their order: a new file takes the place, that is the data sequence number, of the last one that it stands
for. They keep their name too: in its footer a new file lists the contents of the files that it stands for, and in the
digest of a snapshot these count instead of its own. So a table that was compacted has the digest that it had before,
and an append to it gives the digest that it would have given.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec
from pyiceberg.expressions import AlwaysTrue
from pyiceberg.io.pyarrow import ArrowScan
from pyiceberg.manifest import DataFile, DataFileContent, ManifestEntry, ManifestEntryStatus, ManifestFile
from pyiceberg.table import FileScanTask, Table, Transaction
from pyiceberg.table.snapshots import Operation, Summary
from pyiceberg.table.snapshots import Snapshot as IcebergSnapshot
from pyiceberg.table.update.snapshot import _SnapshotProducer

from tidewheel.core.errors import ConflictError
from tidewheel.table_store.arrow_types import conform
from tidewheel.table_store.pyiceberg_files import CONTENTS
from tidewheel.table_store.pyiceberg_parquet import write_parquet
from tidewheel.table_store.pyiceberg_schema import arrow_schema

_MANIFEST_ENTRIES = 10_000


class NewFile(NamedTuple):
    """A file that stands for others.

    Attributes:
        data_file: the file; None when no row of the others is left.
        replaces: their paths, in the order of their rows.
    """

    data_file: DataFile | None
    replaces: tuple[str, ...]


def rewrite_group(table: Table, tasks: Sequence[FileScanTask], contents: Sequence[str]) -> NewFile:
    """Writes the rows of some files, less those that deletes name, into one new file, in the table's present schema.

    Args:
        table: the table.
        tasks: the files, in the order of their rows.
        contents: what the new file stands for in the digest of a snapshot.
    """
    schema = table.schema()
    scan = ArrowScan(table.metadata, table.io, schema, AlwaysTrue())
    rows = conform(scan.to_table(tasks), arrow_schema(schema), where=f"table {'.'.join(table.name())!r}")
    replaces = tuple(task.file.file_path for task in tasks)
    if not rows.num_rows:
        return NewFile(None, replaces)
    stands_for = {CONTENTS: msgspec.json.encode(list(contents))}
    file = write_parquet(table.metadata, table.io, rows, name=f"compacted-{uuid.uuid4()}", footer=stands_for)
    return NewFile(file, replaces)


class RewriteFiles(_SnapshotProducer["RewriteFiles"]):
    """Commits new files in the place of those that they stand for; see `_SnapshotProducer` for the rest.

    All manifests are written anew as one, so that a table of many appends is planned quickly again.
    """

    def __init__(
        self,
        transaction: Transaction,
        files: Sequence[NewFile],
        deletes: frozenset[str],
        properties: Mapping[str, str],
    ) -> None:
        super().__init__(Operation.OVERWRITE, transaction, transaction._table.io, None, dict(properties))
        self._files = files
        self._applied_deletes = deletes
        self._row_count = 0
        self._added_data_files = [file.data_file for file in files if file.data_file is not None]

    def _manifests(self) -> list[ManifestFile]:
        entries, deletes = live_entries(self._transaction, self._head())
        by_path = {entry.data_file.file_path: entry for entry in entries}
        replaced = {path: file for file in self._files for path in file.replaces}
        if self._applied_deletes and {entry.data_file.file_path for entry in deletes} != self._applied_deletes:
            raise _changed("rows were deleted")
        if deletes and not self._applied_deletes:
            raise _changed("rows were deleted")
        if missing := [path for path in replaced if path not in by_path]:
            raise _changed(f"{len(missing)} of its files went")
        gone = [by_path[path] for path in replaced]
        self._deleted_data_files = {entry.data_file for entry in gone}
        kept: list[ManifestEntry] = []
        for entry in entries:
            file = replaced.get(entry.data_file.file_path)
            if file is None:
                kept.append(_entry(ManifestEntryStatus.EXISTING, entry))
            elif file.replaces[-1] == entry.data_file.file_path and file.data_file is not None:
                kept.append(self._added(file.data_file, entry))
        removed = [_entry(ManifestEntryStatus.DELETED, entry, self._snapshot_id) for entry in gone]
        self._row_count = sum(entry.data_file.record_count for entry in kept)
        return [*self._write(kept), *self._write(removed)]

    def _summary(self, snapshot_properties: dict[str, str] = {}) -> Summary:  # noqa: B006 - as PyIceberg has it
        counted = super()._summary(snapshot_properties)
        facts = dict(counted.additional_properties)
        if self._applied_deletes:
            facts |= dict.fromkeys(("total-delete-files", "total-position-deletes", "total-equality-deletes"), "0")
            facts["total-records"] = str(self._row_count)
        return Summary(Operation.REPLACE, **facts)

    def _deleted_entries(self) -> list[ManifestEntry]:
        return []

    def _existing_manifests(self) -> list[ManifestFile]:
        return []

    def _validate_concurrency(self) -> None:
        """`_manifests` looks at the newest version itself."""

    def _head(self) -> IcebergSnapshot:
        head = self._transaction.table_metadata.current_snapshot()
        assert head is not None
        return head

    def _added(self, data_file: DataFile, place: ManifestEntry) -> ManifestEntry:
        return ManifestEntry.from_args(
            status=ManifestEntryStatus.ADDED,
            snapshot_id=self._snapshot_id,
            sequence_number=place.sequence_number,
            file_sequence_number=None,
            data_file=data_file,
        )

    def _write(self, entries: Sequence[ManifestEntry]) -> list[ManifestFile]:
        written = []
        for start in range(0, len(entries), _MANIFEST_ENTRIES):
            with self.new_manifest_writer(self._transaction.table_metadata.spec()) as writer:
                for entry in entries[start : start + _MANIFEST_ENTRIES]:
                    writer.add_entry(entry)
            written.append(writer.to_manifest_file())
        return written


def live_entries(
    transaction: Transaction, snapshot: IcebergSnapshot
) -> tuple[list[ManifestEntry], list[ManifestEntry]]:
    """The data files of a snapshot in the order of their rows, and its delete files."""
    io = transaction._table.io
    found = [
        entry
        for manifest in snapshot.manifests(io)
        for entry in manifest.fetch_manifest_entry(io, discard_deleted=True)
    ]
    data = [entry for entry in found if entry.data_file.content == DataFileContent.DATA]
    deletes = [entry for entry in found if entry.data_file.content != DataFileContent.DATA]
    return sorted(data, key=lambda entry: entry.sequence_number or 0), deletes


def _entry(status: ManifestEntryStatus, entry: ManifestEntry, snapshot_id: int | None = None) -> ManifestEntry:
    return ManifestEntry.from_args(
        status=status,
        snapshot_id=entry.snapshot_id if snapshot_id is None else snapshot_id,
        sequence_number=entry.sequence_number,
        file_sequence_number=entry.file_sequence_number,
        data_file=entry.data_file,
    )


def _changed(what: str) -> ConflictError:
    return ConflictError(
        f"the table changed while its files were put together: {what}",
        next_step="run `tidewheel tables maintain` again",
    )
