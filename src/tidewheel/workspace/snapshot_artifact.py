"""A snapshot as an input or output of an execution."""

from __future__ import annotations

from tidewheel.core.records import Artifact, Snapshot

TABLE_TYPE = "tidewheel.Table"


def snapshot_artifact(snapshot: Snapshot) -> Artifact:
    """A snapshot as an input: named by its content, with its address in the summary."""
    return Artifact(
        digest=snapshot.digest,
        codec="snapshot/1",
        type_name=TABLE_TYPE,
        size_bytes=0,
        summary={
            "table": snapshot.table,
            "snapshot_id": str(snapshot.snapshot_id),  # 63 bits do not survive every JSON reader as a number
            "table_uuid": snapshot.table_uuid,
            "rows": snapshot.row_count,
        },
    )
