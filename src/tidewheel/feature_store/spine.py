"""The spine of a join: for which entities, and as of when."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from tidewheel.core.errors import SchemaMismatchError, suggest

ROW, TIME, KNOWN = "tidewheel row", "tidewheel time", "tidewheel known"
_TIME = pa.timestamp("us", tz="UTC")
_INT32 = np.iinfo(np.int32)


class Spine:
    """A table with entity keys and times.

    Args:
        rows: an Arrow table, a data frame or what has `to_arrow`.
        event_time: the column that says for when.
        as_known: the column that says what was known; None for whatever there is.

    Attributes:
        rows: as an Arrow table.
        time: for when each row is, in microseconds.

    Raises:
        SchemaMismatchError: a column is missing, or a time has no time zone.
    """

    def __init__(self, rows: Any, event_time: str, as_known: str | None) -> None:
        self.rows = _to_arrow(rows)
        self.time = self._moments(event_time, "time of the spine, `event_time`")
        self._known = None if as_known is None else self._moments(as_known, "time that says what was known, `as_known`")

    @property
    def tells_what_was_known(self) -> bool:
        """Whether rows created later can be left out."""
        return self._known is not None

    def keyed(self, keys: Iterable[str], types: dict[str, Any], view: str) -> pa.Table:
        """Row numbers, the keys of one view and the times: what a join looks at.

        Integers that all fit into 32 bits come as such: a join sorts by them, and shorter keys are sorted faster.

        Raises:
            SchemaMismatchError: a key is missing, or of another type than the view's.
        """
        columns: dict[str, Any] = {ROW: np.arange(self.rows.num_rows), TIME: self.time}
        if self._known is not None:
            columns[KNOWN] = self._known
        for name in keys:
            column = self._column(name, f"key of feature view {view!r}")
            columns[f"tidewheel key {name}"] = _narrowed(_fit(column, types[name], name, view))
        return pa.table(columns)

    def _moments(self, name: str, what: str) -> pa.ChunkedArray:
        column = self._column(name, what)
        if not pt.is_timestamp(column.type) or column.type.tz is None:
            told = "has no time zone" if pt.is_timestamp(column.type) else f"is {column.type}, no time"
            raise SchemaMismatchError(
                f"column {name!r} {told}",
                where="spine",
                next_step=f"say which, such as spine[{name!r}].dt.tz_localize('UTC')",
            )
        if column.type.unit == "ns":
            column = pc.floor_temporal(column, unit="microsecond")
        return column.cast(_TIME)

    def _column(self, name: str, what: str) -> pa.ChunkedArray:
        if name not in self.rows.column_names:
            raise SchemaMismatchError(
                f"column {name!r} is missing: the {what}",
                where="spine",
                next_step=suggest(name, self.rows.column_names, "column"),
            )
        column = self.rows.column(name)
        return column.cast(column.type.value_type) if pt.is_dictionary(column.type) else column


def _to_arrow(rows: Any) -> pa.Table:
    if isinstance(rows, pa.Table):
        return rows
    if hasattr(rows, "to_arrow"):
        return rows.to_arrow()
    if type(rows).__module__.split(".")[0] == "pandas":
        return pa.table({str(name): _from_pandas(column) for name, column in rows.items()})
    raise SchemaMismatchError(
        f"the spine is a {type(rows).__name__}", next_step="give an Arrow table, a data frame or a table's snapshot"
    )


def _from_pandas(column: Any) -> Any:
    zone = getattr(column.dtype, "tz", None)
    if zone is None:
        return pa.array(column, from_pandas=True)
    instants = pa.array(column.dt.tz_convert(None).to_numpy())  # pandas deprecated how Arrow reads zones
    unit = instants.type.unit
    return instants.cast(pa.timestamp(unit, tz="UTC")).cast(pa.timestamp(unit, tz=str(zone)))


def _fit(column: pa.ChunkedArray, wanted: Any, name: str, view: str) -> pa.ChunkedArray:
    """Keys are compared as what the view has; numbers and text never match by their look."""
    given = column.type
    if given == wanted:
        return column
    if _family(given) != _family(wanted) and not pt.is_null(given):
        raise SchemaMismatchError(
            f"key {name!r} is {given} in the spine and {wanted} in feature view {view!r}",
            where="spine",
            next_step=f"cast the spine's column {name!r}",
        )
    return column.cast(pa.string()) if _family(given) == "text" else column


def _narrowed(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if not pt.is_integer(column.type):
        return column
    ends = pc.min_max(column).as_py()
    is_narrow = ends["min"] is None or (ends["min"] >= _INT32.min and ends["max"] <= _INT32.max)
    return column.cast(pa.int32()) if is_narrow else column


_FAMILIES = (
    ("integer", pt.is_integer),
    ("text", lambda one: pt.is_string(one) or pt.is_large_string(one) or pt.is_string_view(one)),
    ("boolean", pt.is_boolean),
    ("date", pt.is_date),
    ("bytes", lambda one: pt.is_binary(one) or pt.is_large_binary(one) or pt.is_fixed_size_binary(one)),
    ("decimal", pt.is_decimal),
)


def _family(kind: Any) -> str:
    if pt.is_timestamp(kind):
        return "time with a zone" if kind.tz else "time without a zone"
    return next((name for name, holds in _FAMILIES if holds(kind)), str(kind))
