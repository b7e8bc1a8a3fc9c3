"""What table care may do, and what it did, as data."""

from __future__ import annotations

from tidewheel.core.records import Record, Snapshot


class MaintenancePolicy(Record, frozen=True, kw_only=True):
    """How much of a table's past is kept, and when its files are put together.

    Attributes:
        keep_snapshots: so many of the newest stay; what goes beyond is only kept for a pin, a tag or a branch.
        keep_days: an older one goes too; the current one never does.
        orphan_hours: a file that no snapshot names is removed when it is older: the time that a reader of an expired
            snapshot, or a writer that has not committed, is given.
        min_files: fewer small files beside each other are not worth a new file.
    """

    keep_snapshots: int = 30
    keep_days: float = 30.0
    orphan_hours: float = 72.0
    min_files: int = 8


class Compaction(Record, frozen=True, kw_only=True):
    """Files that were put together.

    Attributes:
        before, after: the snapshots; they hold the same rows in the same order and have the same digest.
        files_removed, files_added: data files.
    """

    before: Snapshot
    after: Snapshot
    files_removed: int
    files_added: int


class MaintenanceResult(Record, frozen=True, kw_only=True):
    """What was done for one table.

    Attributes:
        table: its name.
        compaction: None when its files were as they should be.
        skipped: why its files could not be put together; empty otherwise.
        expired: ids of snapshots that are forgotten.
        orphans: files removed that no snapshot names.
        freed_bytes: their size.
    """

    table: str
    compaction: Compaction | None = None
    skipped: str = ""
    expired: tuple[int, ...] = ()
    orphans: int = 0
    freed_bytes: int = 0
