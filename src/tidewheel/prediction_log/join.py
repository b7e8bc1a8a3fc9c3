"""Predictions with their truth, by prediction id."""

from __future__ import annotations

from datetime import datetime

import msgspec
import pyarrow as pa

from tidewheel.core.records import Snapshot
from tidewheel.prediction_log import labels, move
from tidewheel.table_store import PyIcebergTableStore, run_sql

_JOINED = """
with asked as (
    select prediction_id, version, score, "at" from predictions
    where model = $model and "at" >= $start and "at" < $end
    qualify row_number() over (partition by prediction_id order by recorded_at) = 1
), known as (
    select prediction_id, value from labels where "at" <= $known_at
    qualify row_number() over (partition by prediction_id order by "at" desc, recorded_at desc) = 1
)
select asked.prediction_id, asked.version, asked.score, known.value as label, asked."at"
from asked join known using (prediction_id) order by asked."at", asked.prediction_id
"""
_ASKED = """
select version, count(distinct prediction_id) n from predictions
where model = $model and "at" >= $start and "at" < $end group by version
"""
_EMPTY = pa.schema(
    [
        ("prediction_id", pa.string()),
        ("version", pa.int64()),
        ("score", pa.float64()),
        ("label", pa.float64()),
        ("at", pa.timestamp("us", tz="UTC")),
    ]
)


class LabelledPredictions(msgspec.Struct, frozen=True):
    """Answered rows whose truth is known.

    Attributes:
        table: prediction_id, version, score, label, at.
        asked: how many rows each version answered, with or without a label.
        snapshots: what it was read from.
    """

    table: pa.Table
    asked: dict[int, int]
    snapshots: tuple[Snapshot, ...]


def labelled(
    tables: PyIcebergTableStore, model: str, start: datetime, end: datetime, *, as_known_at: datetime
) -> LabelledPredictions:
    """Predictions of a model in a window with the newest label that was known by then.

    Args:
        start, end: half open, by the time of the prediction.
        as_known_at: labels that became known later do not count.
    """
    if not tables.exists(move.TABLE) or not tables.exists(labels.TABLE):
        return LabelledPredictions(_EMPTY.empty_table(), {}, ())
    snapshots = (tables.snapshot(move.TABLE), tables.snapshot(labels.TABLE))
    references = {one.table: tables.reference(one) for one in snapshots}
    window = {"model": model, "start": start, "end": end}
    joined = run_sql(_JOINED, references, parameters={**window, "known_at": as_known_at})
    asked = run_sql(_ASKED, {move.TABLE: references[move.TABLE]}, parameters=window).to_pylist()
    return LabelledPredictions(joined, {row["version"]: row["n"] for row in asked}, snapshots)
