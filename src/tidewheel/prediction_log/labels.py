"""Labels: what turned out to be true, by prediction id."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from tidewheel.core.clock import utc_now
from tidewheel.core.digest import digest_file, digest_set
from tidewheel.core.errors import ConflictError, SchemaMismatchError, UnreadableFileError, suggest
from tidewheel.core.records import Snapshot
from tidewheel.core.records.record import Record
from tidewheel.table_store import PyIcebergTableStore

TABLE = "labels"
PROPERTY = "tidewheel.labels."
_TIME = pa.timestamp("us", tz="UTC")
SCHEMA = pa.schema([("prediction_id", pa.string()), ("value", pa.float64()), ("at", _TIME), ("recorded_at", _TIME)])


class LabelsAdded(Record, frozen=True, kw_only=True):
    """What was added.

    Attributes:
        rows: 0 when these files' content was there already.
        snapshot: the one that brought them.
    """

    rows: int
    snapshot: Snapshot | None


def add_labels(tables: PyIcebergTableStore, files: Sequence[Path], *, at: datetime) -> LabelsAdded:
    """Adds the labels of csv, parquet or json files in one commit; the same content twice adds nothing.

    Args:
        files: with the columns `prediction_id`, `label` (0 or 1, or a number) and, where it is known, `at`.
        at: when labels without a time of their own became known.

    Raises:
        SchemaMismatchError: a column is missing, or a label is no finite number; nothing was added.
        UnreadableFileError: a file cannot be read or has no rows.
    """
    rows = pa.concat_tables([read_labels(path, at) for path in files])
    key = PROPERTY + digest_set("labels", [digest_file("file", path) for path in files])
    if not tables.exists(TABLE):
        tables.create(TABLE, SCHEMA)
    try:
        return LabelsAdded(rows=len(rows), snapshot=tables.append(TABLE, rows, properties={key: "1"}, unless=(key,)))
    except ConflictError:
        known = tables.find_by_property(TABLE, key)
        if known is None:
            raise
        return LabelsAdded(rows=0, snapshot=known)


def read_labels(path: Path, at: datetime) -> pa.Table:
    """The labels of one file in the table's form."""
    raw = _read(path)
    for name in ("prediction_id", "label"):
        if name not in raw.column_names:
            raise SchemaMismatchError(
                f"there is no column {name!r}", where=str(path), next_step=suggest(name, raw.column_names, "column")
            )
    if not len(raw):
        raise UnreadableFileError("there are no rows", where=str(path))
    ids, values = _cast(raw, "prediction_id", pa.string(), path), _cast(raw, "label", pa.float64(), path)
    usable = pc.and_(pc.is_finite(values), pc.is_valid(ids))
    bad = pc.index(pc.fill_null(usable, False), False).as_py()
    if bad >= 0:
        raise SchemaMismatchError(
            f"row {bad} has label {raw['label'][bad].as_py()!r}",
            where=f"{path}, column 'label'",
            next_step="leave out rows without a label",
        )
    times = _cast(raw, "at", _TIME, path) if "at" in raw.column_names else None
    known = pa.scalar(at.astimezone(UTC), _TIME)
    filled = pc.fill_null(times, known) if times is not None else pa.repeat(known, len(raw))
    return pa.table(
        {
            "prediction_id": ids,
            "value": values,
            "at": filled,
            "recorded_at": pa.repeat(pa.scalar(utc_now(), _TIME), len(raw)),
        },
        schema=SCHEMA,
    )


def _read(path: Path) -> pa.Table:
    import pyarrow.csv
    import pyarrow.json
    import pyarrow.parquet

    readers = {
        ".csv": pyarrow.csv.read_csv,
        ".parquet": pyarrow.parquet.read_table,
        ".json": pyarrow.json.read_json,
        ".jsonl": pyarrow.json.read_json,
    }
    if path.suffix not in readers:
        raise UnreadableFileError(
            f"{path.suffix or 'a file without suffix'} is not read", where=str(path), next_step=", ".join(readers)
        )
    try:
        return readers[path.suffix](str(path))
    except (OSError, pa.ArrowInvalid) as error:
        raise UnreadableFileError(f"it cannot be read: {error}", where=str(path)) from None


def _cast(raw: pa.Table, name: str, kind: pa.DataType, path: Path) -> pa.ChunkedArray:
    try:
        return pc.cast(raw[name], kind)
    except pa.ArrowInvalid as error:
        raise SchemaMismatchError(
            f"column {name!r} holds what is no {kind}: {error}", where=str(path), next_step="correct the file"
        ) from None
