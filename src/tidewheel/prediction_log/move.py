"""Moves closed segments into the table `predictions`, each exactly once."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing, suppress
from datetime import timedelta
from pathlib import Path

import msgspec
import pyarrow as pa

from tidewheel.core.clock import utc_now
from tidewheel.core.errors import ConflictError
from tidewheel.core.records import Prediction, Snapshot
from tidewheel.core.records.record import Record
from tidewheel.metadata_store import Segment, SegmentStore
from tidewheel.prediction_log.answered_index import AnsweredIndex
from tidewheel.prediction_log.segments import (
    DAMAGED_SUFFIX,
    closed_segments,
    read_segment,
    segment_id,
    unmoved_segments,
)
from tidewheel.table_store import PyIcebergTableStore

TABLE = "predictions"
PROPERTY = "tidewheel.segment."
_TIME = pa.timestamp("us", tz="UTC")
SCHEMA = pa.schema(
    [
        ("prediction_id", pa.string()),
        ("request_id", pa.string()),
        ("endpoint", pa.string()),
        ("place", pa.string()),
        ("model", pa.string()),
        ("version", pa.int64()),
        ("package_digest", pa.string()),
        ("inputs", pa.string()),
        ("outputs", pa.string()),
        ("score", pa.float64()),
        ("at", _TIME),
        ("recorded_at", _TIME),
        ("asked", pa.string()),
        ("outliers", pa.string()),
        ("is_quarantined", pa.bool_()),
    ]
)


class MoveResult(Record, frozen=True, kw_only=True):
    """What a move did.

    Attributes:
        rows: how many predictions were added.
        segment_ids: the segments they came in.
        repeated: rows that were left out because their id is in the log already.
        damaged: segments with a line that is no prediction, set aside with the suffix `.bad`.
        snapshot: of the table afterwards; None when nothing was moved.
    """

    rows: int
    segment_ids: tuple[str, ...]
    repeated: int = 0
    damaged: tuple[str, ...] = ()
    snapshot: Snapshot | None = None


def move_segments(folder: Path, tables: PyIcebergTableStore, segments: SegmentStore) -> MoveResult:
    """Moves all closed segments; whatever is killed in the middle, the next move goes on and adds nothing twice.

    The segment's id is a property of the snapshot that brings its rows, and the append refuses an id that the table
    has, so two movers and a crash before the bookkeeping are both harmless.
    """
    moved, damaged, rows, repeated, snapshot = [], [], 0, 0, None
    with closing(AnsweredIndex(folder)) as index:
        for path in closed_segments(folder):
            identifier = segment_id(path)
            if segments.find(identifier) is None:
                try:
                    predictions = read_segment(path)
                except FileNotFoundError:  # another mover was first
                    continue
                except (msgspec.DecodeError, UnicodeDecodeError):
                    with suppress(FileNotFoundError):  # another mover set it aside
                        path.replace(path.with_suffix(DAMAGED_SUFFIX))
                        damaged.append(identifier)
                    continue
                is_first = index.add(identifier, predictions)
                table = _table([one for one, first in zip(predictions, is_first, strict=True) if first])
                snapshot = _append(tables, table, identifier)
                segments.put(_moved(identifier, snapshot, table))
                moved.append(identifier)
                rows, repeated = rows + len(table), repeated + len(predictions) - len(table)
            path.unlink(missing_ok=True)
    return MoveResult(rows=rows, segment_ids=tuple(moved), repeated=repeated, damaged=tuple(damaged), snapshot=snapshot)


def forget_answered(folder: Path, *, days: int) -> int:
    """Lets the ids go that were answered longer ago, in days; returns their number.

    An id is known for that long at least, by the wall clock, and for as long as its segment waits to be moved.

    Raises:
        StorageError: the index cannot be written.
    """
    with closing(AnsweredIndex(folder)) as index:
        return index.forget(utc_now() - timedelta(days=days), but_of=unmoved_segments(folder))


def _moved(identifier: str, snapshot: Snapshot, table: pa.Table) -> Segment:
    return Segment(id=identifier, snapshot_id=snapshot.snapshot_id, row_count=len(table), recorded_at=utc_now())


def _append(tables: PyIcebergTableStore, table: pa.Table, identifier: str) -> Snapshot:
    if not tables.exists(TABLE):
        try:
            tables.create(TABLE, SCHEMA)
        except ConflictError:  # another mover made it
            pass
    elif not set(SCHEMA.names) <= set(tables.schema(TABLE).names):  # of an older Tidewheel
        tables.evolve(TABLE, SCHEMA)
    key = PROPERTY + identifier
    try:
        return tables.append(TABLE, table, properties={key: str(len(table))}, unless=(key,))
    except ConflictError:
        known = tables.find_by_property(TABLE, key)
        if known is None:
            raise
        return known


def _table(records: Sequence[Prediction]) -> pa.Table:
    columns = {
        "prediction_id": [one.id for one in records],
        "inputs": [msgspec.json.encode(one.inputs).decode() for one in records],
        "outputs": [msgspec.json.encode(one.outputs).decode() for one in records],
        "asked": [msgspec.json.encode(one.asked).decode() if one.asked else None for one in records],
        "outliers": [msgspec.json.encode(one.outliers).decode() if one.outliers else None for one in records],
    }
    plain = {name: [getattr(one, name) for one in records] for name in SCHEMA.names if name not in columns}
    return pa.table({name: ({**columns, **plain})[name] for name in SCHEMA.names}, schema=SCHEMA)
