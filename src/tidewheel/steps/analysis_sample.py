"""A sample of rows, taken while they stream by, for what needs more than one column at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tidewheel.statistics.arrow_column import kind_of
from tidewheel.statistics.association import Variable
from tidewheel.statistics.cells import Floats

SAMPLE_ROWS = 20_000
LABELS = 30
"""Categories kept apart; the others are one."""
OTHER = "(other)"


class Sampler:
    """Every so-and-so-many-th row, so that equal tables give equal samples.

    Args:
        row_count: rows that will come.
        sample_rows: at most so many are kept.
    """

    def __init__(self, row_count: int, sample_rows: int = SAMPLE_ROWS) -> None:
        self._every = max(1, -(-row_count // max(1, sample_rows)))
        self._seen = 0
        self._kept: list[pa.RecordBatch] = []

    def watch(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Lets batches pass and keeps some of their rows."""
        for batch in batches:
            first = -self._seen % self._every
            if first < batch.num_rows:
                self._kept.append(batch.take(pa.array(np.arange(first, batch.num_rows, self._every))))
            self._seen += batch.num_rows
            yield batch

    def sample(self, schema: pa.Schema) -> pa.Table:
        """The rows kept, without encodings."""
        if not self._kept:
            return schema.empty_table()
        columns = [
            pa.chunked_array([_decoded(batch.column(at), field.type) for batch in self._kept], field.type)
            for at, field in enumerate(schema)
        ]
        return pa.Table.from_arrays(columns, schema=schema)


def variables_of(sample: pa.Table) -> list[Variable]:
    """The columns that can be set against each other; nested and binary ones cannot, nor texts that hardly repeat."""
    found = (_variable(name, sample.column(name)) for name in sample.column_names)
    return [variable for variable in found if variable is not None]


def _decoded(array: pa.Array, type_: pa.DataType) -> pa.Array:
    if pa.types.is_dictionary(array.type) and not pa.types.is_dictionary(type_):
        array = array.dictionary_decode()
    return array if array.type == type_ else array.cast(type_)


def _variable(name: str, column: pa.ChunkedArray) -> Variable | None:
    type_ = column.type
    if pa.types.is_dictionary(type_):
        column = pa.chunked_array([chunk.dictionary_decode() for chunk in column.chunks], type_.value_type)
        type_ = type_.value_type
    kind = kind_of(type_)
    if kind == "text":
        return _category(name, column)
    if kind == "boolean":
        return Variable(name, _floats(column.cast(pa.int8())))
    if kind == "number" and not pa.types.is_duration(type_):
        return Variable(name, _floats(column))
    if kind == "number":
        return Variable(name, _floats(column.cast(pa.int64())))
    if kind == "time" and (pa.types.is_timestamp(type_) or pa.types.is_date(type_)):
        moments = column.cast(pa.timestamp("us", getattr(type_, "tz", None)), safe=False).cast(pa.int64())
        return Variable(name, _floats(moments), is_time=True)
    return None


def _floats(column: pa.ChunkedArray) -> Floats:
    numbers = column.cast(pa.float64(), safe=False).to_numpy()
    return np.where(np.isfinite(numbers), numbers, np.nan)


def _category(name: str, column: pa.ChunkedArray) -> Variable | None:
    counted = sorted(
        ((one["values"], one["counts"]) for one in pc.value_counts(column.drop_null()).to_pylist()),
        key=lambda pair: (-pair[1], pair[0]),
    )
    present = len(column) - column.null_count
    if not counted or (len(counted) > LABELS and len(counted) > present / 2):
        return None
    labels = [value for value, _ in counted[:LABELS]]
    codes = pc.index_in(column, pa.array(labels, column.type)).to_numpy()
    is_null = column.is_null().to_numpy()
    if len(counted) > LABELS:
        codes = np.where(np.isnan(codes), len(labels), codes)
        labels.append(OTHER)
    return Variable(name, np.where(is_null, -1, np.nan_to_num(codes, nan=-1)).astype(np.int64), tuple(labels))
