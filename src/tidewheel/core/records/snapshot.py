"""One immutable version of a table."""

from __future__ import annotations

from datetime import datetime

from tidewheel.core.records.record import Record


class Snapshot(Record, frozen=True, kw_only=True):
    """Where a version of a table is, and what it holds.

    Attributes:
        table: the table's name in the workspace.
        table_uuid: the identity of the table; with `snapshot_id` the address.
        snapshot_id: the Iceberg snapshot.
        digest: over the schema and the sorted content digests of the data files: the identity of the content.
        row_count: live rows.
        file_count: data files.
        committed_at: wall clock of the commit.
    """

    table: str
    table_uuid: str
    snapshot_id: int
    digest: str
    row_count: int
    file_count: int
    committed_at: datetime
