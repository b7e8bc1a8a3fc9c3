"""The bytes of a profile: MessagePack, the sketches as packed integers of the least width that holds them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from tidewheel.core.errors import UnreadableFileError
from tidewheel.statistics.cells import Cells, Ints
from tidewheel.statistics.column_profile import ColumnProfile
from tidewheel.statistics.distinct_values import DistinctValues
from tidewheel.statistics.frequent_values import FrequentValues
from tidewheel.statistics.moments import Moments

FORM = "tidewheel profile 1"
_PLAIN = (
    "name", "type", "kind", "allows_null", "row_count", "null_count", "nan_count", "infinite_counts", "empty_count",
    "minimum", "maximum", "hours",
)  # fmt: skip


def write_columns(row_count: int, columns: Sequence[ColumnProfile]) -> bytes:
    """The bytes; see `Profile.to_bytes`."""
    forms = [_column_form(column) for column in columns]
    return msgspec.msgpack.encode({"form": FORM, "row_count": row_count, "columns": forms})


def read_columns(data: bytes) -> tuple[int, tuple[ColumnProfile, ...]]:
    """Number of rows, and the columns; see `Profile.from_bytes`."""
    try:
        form = msgspec.msgpack.decode(data)
        if form["form"] != FORM:
            raise ValueError(f"its form is {form['form']!r}")
        return int(form["row_count"]), tuple(_column(one) for one in form["columns"])
    except (msgspec.DecodeError, KeyError, TypeError, ValueError, IndexError) as error:
        raise UnreadableFileError(f"this is no profile: {error}", next_step="profile the table again") from error


def _column_form(column: ColumnProfile) -> dict[str, Any]:
    form = {name: getattr(column, name) for name in _PLAIN}
    form["moments"] = (column.moments.count, column.moments.mean, column.moments.squares)
    cells = column.cells
    form["cells"] = (cells.shift, *_packed_ascending(cells.keys), *_packed(cells.counts))
    hashes = column.distinct.hashes
    form["distinct"] = hashes.astype("<u8").tobytes()
    form["frequent"] = (column.frequent.error, column.frequent.total, column.frequent.top())
    return form


def _column(form: dict[str, Any]) -> ColumnProfile:
    plain = {name: form[name] for name in _PLAIN}
    plain["infinite_counts"], plain["hours"] = tuple(plain["infinite_counts"]), tuple(plain["hours"])
    shift, first, key_width, gaps, count_width, counts = form["cells"]
    error, total, values = form["frequent"]
    numbers = _unpacked(count_width, counts)
    keys = _unpacked_ascending(first, key_width, gaps) if len(numbers) else numbers
    return ColumnProfile(
        **plain,
        moments=Moments(*form["moments"]),
        cells=Cells(shift, keys, numbers),
        distinct=DistinctValues(np.frombuffer(form["distinct"], "<u8").astype(np.uint64)),
        frequent=FrequentValues(dict(values), error, total),
    )


def _packed_ascending(values: Ints) -> tuple[int, int, bytes]:
    if not len(values):
        return 0, 1, b""
    # The gap between the smallest and the largest key fits in 64 bits without a sign, not with one.
    gaps = values[1:].view(np.uint64) - values[:-1].view(np.uint64)
    return int(values[0]), *_packed(gaps)


def _unpacked_ascending(first: int, width: int, gaps: bytes) -> Ints:
    steps = _unpacked(width, gaps).view(np.uint64)
    start = np.array([first], np.int64).view(np.uint64)
    return np.cumsum(np.concatenate([start, steps]), dtype=np.uint64).view(np.int64)


def _packed(values: Any) -> tuple[int, bytes]:
    width = next(width for width in (1, 2, 4, 8) if not len(values) or int(values.max()) < 2 ** (8 * width))
    return width, values.astype(f"<u{width}").tobytes()


def _unpacked(width: int, packed: bytes) -> Ints:
    return np.frombuffer(packed, f"<u{width}").astype(np.uint64).view(np.int64)
