"""Position deletes as other engines write them; PyIceberg reads them and writes none itself."""

from __future__ import annotations

import uuid

import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat, ManifestContent, ManifestFile, ManifestWriterV2
from pyiceberg.table.snapshots import Operation, Summary
from pyiceberg.table.update.snapshot import _FastAppendFiles
from pyiceberg.typedef import Record

_SCHEMA = pa.schema(
    [
        pa.field("file_path", pa.string(), nullable=False, metadata={"PARQUET:field_id": "2147483546"}),
        pa.field("pos", pa.int64(), nullable=False, metadata={"PARQUET:field_id": "2147483545"}),
    ]
)


class _DeleteManifestWriter(ManifestWriterV2):
    def content(self):
        return ManifestContent.DELETES

    @property
    def _meta(self):
        return {**super()._meta, "content": "deletes"}


class _AppendDeletes(_FastAppendFiles):
    def _manifests(self) -> list[ManifestFile]:
        from pyiceberg.manifest import ManifestEntry, ManifestEntryStatus

        spec = self._transaction.table_metadata.spec()
        with _DeleteManifestWriter(
            spec, self.schema(), self.new_manifest_output(), self._snapshot_id, self._compression
        ) as writer:
            for file in self._added_data_files:
                writer.add(ManifestEntry.from_args(status=ManifestEntryStatus.ADDED, data_file=file))
        return [writer.to_manifest_file(), *self._existing_manifests()]

    def _summary(self, snapshot_properties=None):
        count = sum(file.record_count for file in self._added_data_files)
        before = self._transaction.table_metadata.current_snapshot().summary.additional_properties
        return Summary(Operation.DELETE, **{**before, "total-delete-files": "1", "total-position-deletes": str(count)})


def add_position_deletes(store, name: str, positions: list[int]) -> None:
    """Deletes rows of the first data file of a table by position."""
    table = store._load(name)
    first = sorted(table.scan().plan_files(), key=lambda task: task.file.file_path)[0].file
    path = f"{table.location()}/data/deletes-{uuid.uuid4()}.parquet"
    rows = pa.table({"file_path": [first.file_path] * len(positions), "pos": positions}, schema=_SCHEMA)
    with table.io.new_output(path).create() as stream:
        pq.write_table(rows, stream)
    file = DataFile.from_args(
        content=DataFileContent.POSITION_DELETES,
        file_path=path,
        file_format=FileFormat.PARQUET,
        partition=Record(),
        record_count=len(positions),
        file_size_in_bytes=len(table.io.new_input(path)),
        spec_id=0,
        sort_order_id=None,
        equality_ids=None,
        key_metadata=None,
    )
    with table.transaction() as transaction:
        with _AppendDeletes(Operation.APPEND, transaction, table.io) as producer:
            producer.append_data_file(file)
