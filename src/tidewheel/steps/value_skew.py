"""Value skew: have the statistics of rows moved against the reference profile? Paper: "data values skews"."""

from __future__ import annotations

from collections.abc import Collection

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from tidewheel.core.errors import NotFoundError, ParameterError
from tidewheel.core.records import ColumnSkew, ValueSkew
from tidewheel.statistics import ColumnDistance, Profile, compare_profiles
from tidewheel.statistics.profile_pass import profile_table


def value_skew(
    rows: pa.Table,
    reference: Profile,
    *,
    ignore: Collection[str] = (),
    time: str = "",
    level: float,
    effect: float,
    missing_effect: float,
) -> ValueSkew:
    """Compares rows with what was observed before; see `compare_profiles` for the numbers.

    Args:
        ignore: columns that are measured but not judged.
        time: only rows that are newer by this column than the newest of the reference are compared; all when empty.
            It moves by nature.

    Raises:
        NotFoundError: `time`, or a column to be ignored, is no column.
        ParameterError: `time` is neither a time nor a number.
    """
    compared, told = rows, "all rows"
    if time:
        compared = rows.filter(_is_newer(rows, reference, time))
        told = f"rows whose {time} is newer than the reference's newest"
    if not compared.num_rows:
        return ValueSkew(level=level, effect=effect, row_count=0, compared=told)
    found = compare_profiles(
        reference,
        profile_table(compared),
        level=level,
        effect=effect,
        missing_effect=missing_effect,
        ignore=[*ignore, *([time] if time else [])],
    )
    columns = tuple(_column_skew(column, is_time=column.name == time) for column in found.columns)
    return ValueSkew(level=level, effect=effect, row_count=compared.num_rows, compared=told, columns=columns)


def _column_skew(found: ColumnDistance, *, is_time: bool) -> ColumnSkew:
    return ColumnSkew(
        column=found.name,
        kind=found.kind,
        distance=found.jensen_shannon,
        psi=found.psi,
        ks=found.ks,
        missing_before=found.missing_before,
        missing_after=found.missing_after,
        new_share=found.new_share,
        p_adjusted=found.p_adjusted,
        exemption="time" if is_time else found.exemption,
        has_moved=found.has_moved,
    )


def _is_newer(rows: pa.Table, reference: Profile, time: str) -> pa.ChunkedArray:
    if time not in rows.column_names:
        raise NotFoundError("column", time, known=rows.column_names)
    values, newest = rows[time], reference.column(time).maximum
    if pt.is_date(values.type):
        values = values.cast(pa.timestamp("us"))
    if pt.is_timestamp(values.type):
        values = values.cast(pa.timestamp("us", tz=values.type.tz), safe=False).cast(pa.int64())
    elif not (pt.is_integer(values.type) or pt.is_floating(values.type)):
        raise ParameterError(f"column {time!r} of type {values.type} is neither a time nor a number")
    if newest is None:
        return pc.is_valid(values)
    return pc.fill_null(pc.greater(values, pa.scalar(newest)), False)
