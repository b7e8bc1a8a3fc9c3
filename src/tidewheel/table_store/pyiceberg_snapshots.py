"""From Iceberg's snapshots to Tidewheel's records of them."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
from pyiceberg.table import Table
from pyiceberg.table.refs import SnapshotRefType
from pyiceberg.table.snapshots import Snapshot as IcebergSnapshot

from tidewheel.core.errors import NotFoundError, ParameterError
from tidewheel.core.records import Snapshot
from tidewheel.table_store.file_index import FileIndex
from tidewheel.table_store.pyiceberg_files import LiveFile, content_digest, live_files, local_path, snapshot_schema
from tidewheel.table_store.pyiceberg_schema import arrow_schema, schema_key
from tidewheel.table_store.table_reference import TableFile, TableInfo, TableReference


class SnapshotReader:
    """Finds snapshots in a loaded table and tells what they hold.

    Args:
        index: where facts of immutable files are kept.
    """

    def __init__(self, index: FileIndex) -> None:
        self._index = index

    def find(
        self, table: Table, name: str, *, snapshot_id: int | None, tag: str | None, as_of: datetime | None
    ) -> IcebergSnapshot:
        """One snapshot, by at most one of id, tag and time.

        Raises:
            NotFoundError: there is none.
            ParameterError: more than one is given.
        """
        if sum(value is not None for value in (snapshot_id, tag, as_of)) > 1:
            raise ParameterError("give one of id, tag and as_of", where=f"table {name!r}")
        if tag is not None:
            return self._tagged(table, name, tag)
        known: list[str] = []
        if snapshot_id is not None:
            found = table.snapshot_by_id(snapshot_id)
            known = [str(snapshot.snapshot_id) for snapshot in table.snapshots()]
            wanted = str(snapshot_id)
        elif as_of is not None:
            if as_of.tzinfo is None:
                raise ParameterError("as_of has no time zone", next_step="give an aware time, such as one in UTC")
            found = table.snapshot_as_of_timestamp(int(as_of.timestamp() * 1000))
            known = [_time(snapshot).isoformat() for snapshot in table.snapshots()]
            wanted = as_of.isoformat()
        else:
            found, wanted = table.current_snapshot(), "current"
        if found is None:
            raise NotFoundError("snapshot", wanted, known=known, where=f"table {name!r}")
        return found

    def current(self, table: Table, name: str) -> Snapshot:
        """The record of the current snapshot."""
        return self.record(table, name, self.find(table, name, snapshot_id=None, tag=None, as_of=None))

    def record(self, table: Table, name: str, snapshot: IcebergSnapshot) -> Snapshot:
        """The record of a snapshot; its digest is computed once and kept."""
        uuid = str(table.metadata.table_uuid)
        key = f"snapshot:{uuid}/{snapshot.snapshot_id}"
        kept = self._index.get([key]).get(key)
        if kept is None:
            files = live_files(table, snapshot, self._index)
            data = [file for file in files if file.content == "data"]
            facts = (content_digest(table, snapshot, files), _row_count(snapshot, files), len(data))
            self._index.put({key: msgspec.json.encode(facts).decode()})
        else:
            facts = msgspec.json.decode(kept, type=tuple[str, int, int])
        return Snapshot(
            table=name,
            table_uuid=uuid,
            snapshot_id=snapshot.snapshot_id,
            digest=facts[0],
            row_count=facts[1],
            file_count=facts[2],
            committed_at=_time(snapshot),
        )

    def reference(self, table: Table, snapshot: Snapshot) -> TableReference:
        """All that reading a snapshot takes."""
        found = self.find(table, snapshot.table, snapshot_id=snapshot.snapshot_id, tag=None, as_of=None)
        schema = snapshot_schema(table, found)
        files = live_files(table, found, self._index)
        layout = schema_key(schema)
        is_direct = all(
            file.content == "data" and file.layout == layout and "://" not in local_path(file.path) for file in files
        )
        return TableReference(
            snapshot=snapshot,
            metadata_location=table.metadata_location,
            schema=arrow_schema(schema).serialize().to_pybytes(),
            files=tuple(
                TableFile(
                    path=local_path(file.path),
                    digest=file.digest,
                    row_count=file.row_count,
                    size_bytes=file.size_bytes,
                )
                for file in files
                if file.content == "data"
            ),
            is_direct=is_direct,
            metadata="" if is_direct else _cut_metadata(table, found),
        )

    def info(self, table: Table, name: str) -> TableInfo:
        """The line of a listing, from the metadata file alone."""
        current = table.current_snapshot()
        totals = current.summary.additional_properties if current and current.summary else {}
        return TableInfo(
            name=name,
            table_uuid=str(table.metadata.table_uuid),
            snapshot_id=current.snapshot_id if current else None,
            columns=tuple(field.name for field in table.schema().fields),
            row_count=int(totals.get("total-records", 0)) - int(totals.get("total-position-deletes", 0)),
            file_count=int(totals.get("total-data-files", 0)),
            size_bytes=int(totals.get("total-files-size", 0)),
            snapshot_count=len(table.metadata.snapshots),
            committed_at=_time(current) if current else None,
        )

    def _tagged(self, table: Table, name: str, tag: str) -> IcebergSnapshot:
        tags = {
            key: ref.snapshot_id
            for key, ref in table.metadata.refs.items()
            if ref.snapshot_ref_type == SnapshotRefType.TAG
        }
        found = table.snapshot_by_id(tags[tag]) if tag in tags else None
        if found is None:
            raise NotFoundError("tag", tag, known=tags, where=f"table {name!r}")
        return found


def _time(snapshot: IcebergSnapshot) -> datetime:
    return datetime.fromtimestamp(snapshot.timestamp_ms / 1000, UTC)


def _row_count(snapshot: IcebergSnapshot, files: list[LiveFile]) -> int:
    """Rows of the data files less those that position deletes name."""
    rows = sum(file.row_count for file in files if file.content == "data")
    return rows - sum(file.row_count for file in files if file.content == "position_deletes")


def _cut_metadata(table: Table, snapshot: IcebergSnapshot) -> str:
    """The metadata with this one snapshot: small, and there however many commits follow."""
    alone = table.metadata.model_copy(
        update={
            "snapshots": [snapshot],
            "snapshot_log": [],
            "metadata_log": [],
            "refs": {},
            "statistics": [],
            "partition_statistics": [],
            "current_snapshot_id": snapshot.snapshot_id,
        }
    )
    return alone.model_dump_json()
