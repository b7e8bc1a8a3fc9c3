"""What a join found, put at the places of the spine's rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

Numbers = np.ndarray[Any, np.dtype[np.int64]]


def places_of(found: pa.Table, row: str, ranks: list[str], rows: int) -> tuple[Numbers, Numbers]:
    """Where in `found` the values of each row of the spine are, and of which rows the ranks do not tell.

    Args:
        found: rows in no order.
        row: its column of the spine's row numbers; one may come several times.
        ranks: columns of which the greatest counts, null the least, the first before the others.
        rows: of the spine.

    Returns:
        Places, -1 for nowhere; and the numbers of rows where the greatest comes twice.
    """
    numbers = found.column(row).to_numpy()
    places = np.full(rows, -1, np.int64)
    places[numbers] = np.arange(len(numbers))
    ties = np.flatnonzero((np.bincount(numbers, minlength=rows) > 1)[numbers])
    tied = found.select(ranks).take(pa.array(ties))
    keys = [numbers[ties], *(_rank(tied.column(name)) for name in ranks)]
    order = np.lexsort(keys[::-1])
    is_last = np.diff(keys[0][order], append=-1) != 0
    best = ties[order[is_last]]
    places[numbers[best]] = best
    twins = np.logical_and.reduce([key[order][1:] == key[order][:-1] for key in keys])
    return places, keys[0][order][1:][twins & is_last[1:]]


def placed(found: pa.Table, places: Numbers) -> pa.Table:
    """The rows at these places, nulls for nowhere.

    Arrow takes several times as long by places of which some are null. So columns of fixed width are taken by places
    of which none is: nowhere is where the first row was found, so that the bytes under a null are equal each time too.
    """
    is_found = places >= 0
    exact = pa.array(places, mask=~is_found)
    if is_found.all() or not is_found.any():
        return found.take(exact)
    full, shown = pa.array(np.where(is_found, places, places[is_found.argmax()])), pa.array(is_found)
    columns = [
        pc.if_else(shown, column.take(full), pa.scalar(None, column.type))
        if pt.is_primitive(column.type)
        else column.take(exact)
        for column in found.columns
    ]
    return pa.table(columns, schema=found.schema)


def _rank(column: pa.ChunkedArray) -> Numbers:
    ranks: Numbers = pc.fill_null(column.cast(pa.int64()), np.iinfo(np.int64).min).to_numpy()
    return ranks
