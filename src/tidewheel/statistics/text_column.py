"""Texts and binaries of an Arrow column: how often each occurs, and the `ColumnProfile` that this gives.

Counting by dictionary costs little and adds up while pieces share their dictionary, as those of a file do; what the
different values tell is found once for them all.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tidewheel.statistics import frequent_values
from tidewheel.statistics.cells import Ints, cells_of
from tidewheel.statistics.column_profile import ColumnProfile
from tidewheel.statistics.distinct_values import distinct_of
from tidewheel.statistics.frequent_values import FrequentValues, frequent_of
from tidewheel.statistics.hashing import Hashes, hash_bytes


@dataclass(frozen=True, slots=True, eq=False)
class TextCounts:
    """Values and how often each occurs.

    Args:
        values: texts or binaries without a null; each once, in most cases.
        counts: of each; it may be 0.
        null_count: rows without a value.

    Example:
        >>> found = count_texts(pa.array(["UA", None, "AA", "UA"]).dictionary_encode())
        >>> found.values.to_pylist(), found.counts.tolist(), found.null_count
        (['UA', 'AA'], [2, 1], 1)
    """

    values: pa.Array
    counts: Ints
    null_count: int

    @property
    def row_count(self) -> int:
        """All rows, nulls included."""
        return int(self.counts.sum()) + self.null_count

    def plus(self, other: TextCounts) -> TextCounts | None:
        """Of the rows of both, when their values are the same in the same order; else None."""
        if not self.values.equals(other.values):
            return None
        return TextCounts(self.values, self.counts + other.counts, self.null_count + other.null_count)


def count_texts(array: pa.Array) -> TextCounts:
    """Of texts or binaries, dictionary-encoded or not."""
    if not pa.types.is_dictionary(array.type):
        array = _large(array).dictionary_encode()
    elif array.dictionary.null_count:
        array = _large(array.dictionary_decode()).dictionary_encode()
    nulls = array.null_count
    indices = (array.indices.drop_null() if nulls else array.indices).cast(pa.int64())
    counts = np.bincount(indices.to_numpy(), minlength=len(array.dictionary))
    return TextCounts(array.dictionary, counts, nulls)


def profile_texts(empty: ColumnProfile, found: TextCounts, limit: int) -> ColumnProfile:
    """All that different values and their counts tell.

    Args:
        empty: name, type and kind of the column.
        found: its rows.
        limit: of its distinct values, see `distinct_of`.
    """
    values, counts = _used(found)
    is_text = empty.kind == "text"
    measured = pc.utf8_length(values) if is_text else pc.binary_length(values)
    lengths = measured.to_numpy(zero_copy_only=False).astype(np.float64)
    return replace(
        empty,
        row_count=found.row_count,
        null_count=found.null_count,
        empty_count=int(counts[lengths == 0].sum()),
        cells=cells_of(lengths, counts),
        distinct=distinct_of(_hashes(values), limit=limit),
        frequent=_frequent(values, counts) if is_text else frequent_values.EMPTY,
    )


def _used(found: TextCounts) -> tuple[pa.Array, Ints]:
    """Without values that do not occur, as large texts or binaries."""
    values, counts = _large(found.values), found.counts
    used = np.flatnonzero(counts)
    return (values.take(pa.array(used)), counts[used]) if len(used) < len(values) else (values, counts)


def _large(array: pa.Array) -> pa.Array:
    of = pa.types
    is_text = of.is_string(array.type) or of.is_large_string(array.type) or of.is_string_view(array.type)
    return array.cast(pa.large_string() if is_text else pa.large_binary())


def _hashes(values: pa.Array) -> Hashes:
    if not len(values):
        return np.zeros(0, np.uint64)
    _, offsets, data = values.buffers()
    places = np.frombuffer(offsets, np.int64)[values.offset : values.offset + len(values) + 1]
    content = np.frombuffer(data, np.uint8) if data is not None else np.zeros(0, np.uint8)
    return hash_bytes(places - places[0], content[places[0] : places[-1]])


def _frequent(values: pa.Array, counts: Any) -> FrequentValues:
    """Cuts before texts become Python's, which costs most."""
    total, less = int(counts.sum()), 0
    if len(counts) > 4 * frequent_values.LIMIT:
        place = len(counts) - 1 - frequent_values.LIMIT
        less = int(np.partition(counts, place)[place])
        kept = np.flatnonzero(counts > less)
        values, counts = values.take(pa.array(kept)), counts[kept] - less
    try:
        texts = values.to_pylist()
    except UnicodeDecodeError:  # Parquet's texts are not always what they say
        texts = [value.decode("utf-8", "replace") for value in values.cast(pa.large_binary()).to_pylist()]
    merged: dict[str, int] = {}
    for text, count in zip(texts, counts.tolist(), strict=True):
        merged[text] = merged.get(text, 0) + count
    found = frequent_of(merged)
    return replace(found, error=found.error + less, total=total)
