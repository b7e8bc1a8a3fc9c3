"""One look at a piece of an Arrow column: its `ColumnProfile`."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tidewheel.statistics.cells import Floats, Ints, cells_of
from tidewheel.statistics.column_profile import HOURS, ColumnProfile, Kind
from tidewheel.statistics.distinct_values import distinct_of_words
from tidewheel.statistics.hashing import Hashes
from tidewheel.statistics.moments import moments_of
from tidewheel.statistics.scratch import scratch
from tidewheel.statistics.text_column import count_texts, profile_texts

_NARROW = 1 << 16
_MICROSECONDS = {"s": 1_000_000.0, "ms": 1_000.0, "us": 1.0, "ns": 0.001}
_HOUR, _DAY = 3_600_000_000, 86_400_000_000
_MONDAY = 3 * 24
"""1970 began on a Thursday."""


@dataclass(frozen=True, slots=True)
class Hint:
    """What other pieces of the same column already decided; it saves time and changes no result.

    Args:
        shift: of their cells.
        limit: of their distinct values.
    """

    shift: int = 0
    limit: int = 2**64


def kind_of(type_: pa.DataType) -> Kind:
    """How a column of this type is looked at.

    Example:
        >>> kind_of(pa.int8()), kind_of(pa.date32()), kind_of(pa.dictionary(pa.int8(), pa.string()))
        ('number', 'time', 'text')
    """
    of = pa.types
    if of.is_dictionary(type_) or of.is_run_end_encoded(type_):
        return kind_of(type_.value_type)
    if isinstance(type_, pa.BaseExtensionType):
        return kind_of(type_.storage_type)
    if of.is_null(type_):
        return "empty"
    if of.is_boolean(type_):
        return "boolean"
    if of.is_integer(type_) or of.is_floating(type_) or of.is_decimal(type_) or of.is_duration(type_):
        return "number"
    if of.is_temporal(type_) and not of.is_interval(type_):
        return "time"
    if of.is_string(type_) or of.is_large_string(type_) or of.is_string_view(type_):
        return "text"
    if of.is_binary(type_) or of.is_large_binary(type_) or of.is_fixed_size_binary(type_) or of.is_binary_view(type_):
        return "binary"
    return "nested"


def type_name(type_: pa.DataType) -> str:
    """Arrow's name of the type; of an encoding that of its values, since encodings are no part of what a table is."""
    if pa.types.is_dictionary(type_) or pa.types.is_run_end_encoded(type_):
        return type_name(type_.value_type)
    return str(type_)


def profile_array(column: pa.Field, array: pa.Array, hint: Hint) -> ColumnProfile:
    """The profile of a piece of a column."""
    kind = kind_of(array.type)
    empty = ColumnProfile(
        name=column.name, type=type_name(column.type), kind=kind, allows_null=column.nullable, row_count=len(array)
    )
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    if pa.types.is_run_end_encoded(array.type):
        array = pc.run_end_decode(array)
    if kind == "empty":
        return replace(empty, null_count=len(array))
    if kind in ("text", "binary"):
        return profile_texts(empty, count_texts(array), hint.limit)
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    profile = replace(empty, null_count=array.null_count)
    if array.null_count:
        array = array.drop_null()
    if kind == "nested":
        return _profile_nested(profile, array, hint)
    if kind == "boolean":
        return _profile_booleans(profile, array)
    if not len(array):
        return replace(profile, hours=(0,) * HOURS if kind == "time" else ())
    return _profile_numbers(profile, array, hint)


def _profile_booleans(profile: ColumnProfile, array: pa.Array) -> ColumnProfile:
    true = int(array.true_count)
    counts = [(0.0, len(array) - true), (1.0, true)]
    used = [(value, count) for value, count in counts if count]
    values = np.array([value for value, _ in used])
    numbers = np.array([count for _, count in used], dtype=np.int64)
    distinct = distinct_of_words(values.astype(np.uint64))
    return replace(profile, cells=cells_of(values, numbers), distinct=distinct)


def _profile_numbers(profile: ColumnProfile, array: pa.Array, hint: Hint) -> ColumnProfile:
    type_ = array.type
    if pa.types.is_uint64(type_):
        words = _numpy(array)
        if int(words.max()) < 2**63:
            return _profile_whole(profile, words.view(np.int64), 1.0, hint)
        floats = words.astype(np.float64)
        found = _sketched(profile, floats, words, hint)
        return replace(found, minimum=int(words.min()), maximum=int(words.max()), moments=moments_of(floats))
    if pa.types.is_integer(type_):
        return _profile_whole(profile, _numpy(array).astype(np.int64, copy=False), 1.0, hint)
    if pa.types.is_floating(type_) or pa.types.is_decimal(type_):
        return _profile_floats(profile, _numpy(array.cast(pa.float64())), hint)
    stored = _numpy(array.view(pa.int32() if type_.bit_width == 32 else pa.int64()))
    return _profile_whole(profile, stored.astype(np.int64, copy=False), _unit(type_), hint)


def _profile_whole(profile: ColumnProfile, stored: Ints, unit: float, hint: Hint) -> ColumnProfile:
    """Integers, times and durations: multiples of a unit."""
    lowest, highest = int(stored.min()), int(stored.max())
    is_plain = unit == 1.0
    profile = replace(
        profile,
        minimum=lowest if is_plain else lowest * unit,
        maximum=highest if is_plain else highest * unit,
    )
    if highest - lowest < _NARROW:
        values, counts = _counted_one_by_one(stored, lowest)
        numbers = values.astype(np.float64) * unit
        found = _counted_profile(profile, numbers, counts, values.view(np.uint64), hint)
        return replace(found, hours=_hours(numbers, counts)) if profile.kind == "time" else found
    numbers = stored.astype(np.float64)
    if not is_plain:
        numbers *= unit
    found = _sketched(profile, numbers, stored.view(np.uint64), hint)
    hours = _hours(stored if is_plain else numbers) if profile.kind == "time" else ()
    return replace(found, moments=moments_of(numbers), hours=hours)


def _profile_floats(profile: ColumnProfile, numbers: Floats, hint: Hint) -> ColumnProfile:
    others: Hashes = np.zeros(0, np.uint64)
    low, high = float(numbers.min()), float(numbers.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        finite = np.isfinite(numbers)
        odd = numbers[~finite]
        numbers = numbers[finite]
        is_nan = np.isnan(odd)
        infinite = (int((odd == -np.inf).sum()), int((odd == np.inf).sum()))
        profile = replace(profile, nan_count=int(is_nan.sum()), infinite_counts=infinite)
        others = np.unique(np.where(is_nan, np.nan, odd), equal_nan=True).view(np.uint64)
        if not len(numbers):
            return replace(profile, distinct=distinct_of_words(others))
        low, high = float(numbers.min()), float(numbers.max())
    if low <= 0 <= high:
        numbers = numbers + 0.0  # the sum makes both zeros one
        low, high = low + 0.0, high + 0.0
    profile = replace(profile, minimum=low, maximum=high)
    whole = _as_whole(numbers, low, high)
    if whole is not None:
        values, counts = _counted_one_by_one(whole, int(low))
        floats = values.astype(np.float64)
        return _counted_profile(profile, floats, counts, np.concatenate([floats.view(np.uint64), others]), hint)
    words = numbers.view(np.uint64)
    found = _sketched(profile, numbers, np.concatenate([words, others]) if len(others) else words, hint)
    return replace(found, moments=moments_of(numbers))


def _as_whole(numbers: Floats, low: float, high: float) -> Ints | None:
    """The numbers as integers, when they all are and lie close together: most columns are such."""
    if high - low >= _NARROW or max(abs(low), abs(high)) >= 2**53 or (numbers[:64] % 1.0).any():
        return None
    whole = numbers.astype(np.int64)
    return whole if np.array_equal(whole, numbers) else None


def _counted_one_by_one(whole: Ints, lowest: int) -> tuple[Ints, Ints]:
    counts = np.bincount(whole - lowest)
    used = np.flatnonzero(counts)
    return used + lowest, counts[used]


def _counted_profile(profile: ColumnProfile, numbers: Floats, counts: Ints, words: Hashes, hint: Hint) -> ColumnProfile:
    """All that different numbers and their counts tell."""
    return replace(
        profile,
        cells=cells_of(numbers, counts, hint=hint.shift),
        distinct=distinct_of_words(words, limit=hint.limit),
        moments=moments_of(numbers, counts),
    )


def _sketched(profile: ColumnProfile, numbers: Floats, words: Hashes, hint: Hint) -> ColumnProfile:
    distinct = distinct_of_words(words, limit=hint.limit)
    return replace(profile, cells=cells_of(numbers, hint=hint.shift), distinct=distinct)


def _unit(type_: pa.DataType) -> float:
    if pa.types.is_date32(type_):
        return float(_DAY)
    if pa.types.is_date64(type_):
        return _MICROSECONDS["ms"]
    per_second = 1e-6 if pa.types.is_duration(type_) else 1.0
    return _MICROSECONDS[type_.unit] * per_second


def _hours(numbers: Floats | Ints, counts: Ints | None = None) -> tuple[int, ...]:
    """Rows by hour of the week, of microseconds since 1970."""
    if max(abs(float(numbers.min())), abs(float(numbers.max()))) < 2**62:
        hours = scratch(len(numbers), np.int64)
        np.floor_divide(numbers.astype(np.int64, copy=False), _HOUR, out=hours)
    else:  # centuries that no calendar has
        hours = (np.floor_divide(numbers.astype(np.float64), _HOUR) % HOURS).astype(np.int64)
    first = int(hours.min())
    if int(hours.max()) - first < _NARROW:
        hours -= first
        found = np.bincount(hours, counts)
        hours, counts = np.arange(first, first + len(found)), found
    week = np.bincount((hours + _MONDAY) % HOURS, counts, minlength=HOURS)
    return tuple(week.astype(np.int64).tolist())


def _profile_nested(profile: ColumnProfile, array: pa.Array, hint: Hint) -> ColumnProfile:
    if not (pa.types.is_list(array.type) or pa.types.is_large_list(array.type)):
        return profile
    lengths = _numpy(pc.list_value_length(array)).astype(np.float64)
    return replace(profile, empty_count=int((lengths == 0).sum()), cells=cells_of(lengths, hint=hint.shift))


def _numpy(array: pa.Array) -> Any:
    return array.to_numpy(zero_copy_only=False)
