"""Labels: what turned out to be true, by prediction id."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from tidewheel.core.clock import utc_now
from tidewheel.core.digest import digest_file
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
        snapshot: the one that brought them; None when nothing was added.
    """

    rows: int
    snapshot: Snapshot | None


def add_labels(tables: PyIcebergTableStore, files: Sequence[Path], *, at: datetime) -> LabelsAdded:
    """Adds the labels of csv, parquet or json files in one commit; a file's content that is there adds nothing.

    What is said of one prediction more than once: the label that became known last counts (`at`), of equally late ones
    the one that was recorded last, so a later file corrects an earlier one. Two different labels for one prediction
    and one moment in one call contradict each other, and nothing is added. A label may come before its prediction, and
    for ids that nobody asked about; it is kept and joins nothing until the prediction comes.

    Args:
        files: with the columns `prediction_id`, `label` (0 or 1, or a number) and, where it is known, `at`.
        at: when labels without a time of their own became known.

    Raises:
        SchemaMismatchError: a column is missing, a label is no finite number, or two contradict; nothing was added.
        UnreadableFileError: a file cannot be read or has no rows.
    """
    tables_read = [read_labels(path, at) for path in files]
    read = {PROPERTY + digest_file("labels", path): rows for path, rows in zip(files, tables_read, strict=True)}
    _check_agreement(pa.concat_tables(read.values()), files)
    try:
        tables.create(TABLE, SCHEMA)
    except ConflictError:
        pass  # it was made before
    while True:
        new = {key: rows for key, rows in read.items() if tables.find_by_property(TABLE, key) is None}
        if not new:
            return LabelsAdded(rows=0, snapshot=None)
        rows = pa.concat_tables(new.values())
        try:
            snapshot = tables.append(TABLE, rows, properties=dict.fromkeys(new, "1"), unless=tuple(new))
        except ConflictError:
            if all(tables.find_by_property(TABLE, key) is None for key in new):
                raise
            continue  # somebody adds the same files at this moment
        return LabelsAdded(rows=len(rows), snapshot=snapshot)


def _check_agreement(rows: pa.Table, files: Sequence[Path]) -> None:
    said = rows.group_by(["prediction_id", "at"]).aggregate([("value", "min"), ("value", "max")])
    differ = said.filter(pc.not_equal(said["value_min"], said["value_max"]))
    if len(differ):
        first = differ.slice(0, 1).to_pylist()[0]
        raise SchemaMismatchError(
            f"prediction {first['prediction_id']!r} has the labels {first['value_min']:g} and {first['value_max']:g} "
            f"at one time" + (f", {len(differ) - 1} more likewise" if len(differ) > 1 else ""),
            where=", ".join(str(path) for path in files),
            next_step="keep the right one, or say in a column 'at' which one became known later",
        )


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
    for name, is_usable in (
        ("label", pc.fill_null(pc.is_finite(values), False)),
        ("prediction_id", pc.fill_null(pc.not_equal(ids, ""), False)),
    ):
        bad = pc.index(is_usable, False).as_py()
        if bad >= 0:
            raise SchemaMismatchError(
                f"row {bad} has {name} {raw[name][bad].as_py()!r}",
                where=f"{path}, column {name!r}",
                next_step=f"leave out rows without a {name}",
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

    # An id is text, also where it looks like a number or a date: "007" is not "7".
    text = {"prediction_id": pa.string()}
    as_text = pyarrow.csv.ConvertOptions(column_types=text)
    in_json = pyarrow.json.ParseOptions(explicit_schema=pa.schema(text))
    readers: dict[str, Callable[[str], pa.Table]] = {
        ".csv": lambda name: pyarrow.csv.read_csv(name, convert_options=as_text),
        ".parquet": pyarrow.parquet.read_table,
        ".json": lambda name: pyarrow.json.read_json(name, parse_options=in_json),
        ".jsonl": lambda name: pyarrow.json.read_json(name, parse_options=in_json),
    }
    if path.suffix not in readers:
        raise UnreadableFileError(
            f"{path.suffix or 'a file without suffix'} is not read", where=str(path), next_step=", ".join(readers)
        )
    try:
        return readers[path.suffix](str(path))
    except (OSError, pa.ArrowException) as error:
        raise UnreadableFileError(f"it cannot be read: {error}", where=str(path)) from None


def _cast(raw: pa.Table, name: str, kind: pa.DataType, path: Path) -> pa.ChunkedArray:
    try:
        return pc.cast(raw[name], kind)
    except pa.ArrowException as error:
        raise SchemaMismatchError(
            f"column {name!r} holds what is no {kind}: {error}", where=str(path), next_step="correct the file"
        ) from None
