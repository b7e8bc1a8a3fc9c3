"""What a reader needs of one snapshot, as data: a worker reads the table from it and never opens the catalog."""

from __future__ import annotations

from datetime import datetime

from tidewheel.core.records import Record, Snapshot


class TableInfo(Record, frozen=True, kw_only=True):
    """One line of a listing of tables.

    Attributes:
        name: the table's name in the workspace.
        table_uuid: its identity; a table that was dropped and made again has another.
        snapshot_id: the current snapshot; None when the table never had one.
        columns: names in order.
        row_count: live rows of the current snapshot.
        file_count: data files of the current snapshot.
        size_bytes: size of these files.
        snapshot_count: snapshots that can still be read.
        committed_at: wall clock of the current snapshot's commit.
    """

    name: str
    table_uuid: str
    snapshot_id: int | None
    columns: tuple[str, ...]
    row_count: int
    file_count: int
    size_bytes: int
    snapshot_count: int
    committed_at: datetime | None


class TableFile(Record, frozen=True, kw_only=True):
    """One immutable data file of a snapshot.

    Attributes:
        path: where it is; a plain path when it is on this machine, else a URL.
        digest: of its bytes.
        row_count: rows written into it, deleted ones included.
        size_bytes: its length.
    """

    path: str
    digest: str
    row_count: int
    size_bytes: int


class TableReference(Record, frozen=True, kw_only=True):
    """A snapshot with all that reading it takes; it survives a round trip through JSON.

    Attributes:
        snapshot: which version of which table; `snapshot.digest` is the identity of the content.
        metadata_location: the Iceberg metadata file that names the snapshot, for other engines.
        schema: the Arrow schema, as Arrow IPC writes it.
        files: the data files, oldest first: the order of the rows.
        is_direct: every file is local Parquet with exactly this schema and nothing is deleted, so that any Parquet
            reader sees the right rows. Otherwise only a scan that knows Iceberg does.
        metadata: for that scan: the table's metadata cut down to this snapshot, as JSON; empty when direct.
    """

    snapshot: Snapshot
    metadata_location: str
    schema: bytes
    files: tuple[TableFile, ...]
    is_direct: bool
    metadata: str = ""
