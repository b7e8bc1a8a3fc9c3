"""Segments of the prediction log that were moved into the table."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from tidewheel.core.records.record import Record
from tidewheel.metadata_store.database import Database
from tidewheel.metadata_store.statements import find_record, insert_new

_LIST = "SELECT record FROM segment ORDER BY id"


class Segment(Record, frozen=True, kw_only=True):
    """One closed file of the prediction log, and where its rows are now.

    Attributes:
        id: the segment's own.
        snapshot_id: the snapshot of the predictions table that holds the rows first.
        row_count: how many.
        recorded_at: wall clock.
    """

    id: str
    snapshot_id: int
    row_count: int
    recorded_at: datetime


class SegmentStore:
    """What was moved, so that no answered request is there twice."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, segment: Segment) -> tuple[Segment, bool]:
        """Records that a segment was moved, or finds that it had been. Atomic.

        Returns:
            The record of this segment, and whether it is this one.
        """
        with self._database.write() as connection:
            if insert_new(connection, "segment", {"id": segment.id, "record": segment.to_json().decode()}):
                return segment, True
            known = find_record(connection, "segment", id=segment.id)
        assert known is not None, "segments are never deleted"
        return Segment.from_json(known), False

    def find(self, segment_id: str) -> Segment | None:
        """Where a segment's rows went, if it was moved."""
        with self._database.read() as connection:
            record = find_record(connection, "segment", id=segment_id)
        return None if record is None else Segment.from_json(record)

    def list(self) -> Sequence[Segment]:
        """Moved segments in order of their ids."""
        with self._database.read() as connection:
            return [Segment.from_json(record) for record in connection.scalars(_LIST)]
