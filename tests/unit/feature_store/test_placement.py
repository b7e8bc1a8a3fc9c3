"""What a join found comes to the rows of the spine, whatever order it was found in."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidewheel.feature_store.placement import placed, places_of

RANKS = st.integers(0, 2) | st.none()


@given(found=st.lists(st.tuples(st.integers(0, 4), RANKS, RANKS), max_size=12))
def test_of_each_row_the_greatest_rank_counts_and_twins_are_told(found):
    columns = list(zip(*found, strict=True)) if found else [[], [], []]
    table = pa.table(dict(zip(("row", "first", "second"), (pa.array(c, pa.int64()) for c in columns), strict=True)))
    places, undecided = places_of(table, "row", ["first", "second"], 5)
    for row in range(5):
        ranks = [tuple(-1 if one is None else one for one in rank) for number, *rank in found if number == row]
        if not ranks:
            assert places[row] == -1
            continue
        number, *rank = found[places[row]]
        assert number == row
        assert tuple(-1 if one is None else one for one in rank) == max(ranks)
        assert (row in undecided) == (ranks.count(max(ranks)) > 1)
    assert len(set(undecided)) == len(undecided)


def columns(rows):
    return pa.table(
        {
            "float": pa.array([None if row == 2 else row / 3 for row in rows], pa.float64()),
            "integer": pa.array(rows, pa.int16()),
            "boolean": pa.array([row % 2 == 0 for row in rows]),
            "time": pa.array(rows, pa.timestamp("us", tz="UTC")),
            "text": pa.array([str(row) for row in rows]),
            "list": pa.array([[row, None] for row in rows], pa.list_(pa.int32())),
            "struct": pa.array([{"a": row} for row in rows]),
            "bytes": pa.array([bytes([row]) for row in rows], pa.binary(1)),
            "kind": pa.array([str(row) for row in rows]).dictionary_encode(),
        }
    )


def buffers(table):
    """The bytes of what has a fixed width, those under nulls too."""
    fixed = table.select(["float", "integer", "boolean", "time"]).combine_chunks()
    return [[buffer and buffer.to_pybytes() for buffer in column.chunk(0).buffers()] for column in fixed.columns]


@pytest.mark.parametrize("spine", [[3, None, 1, 2, None, 3], [None, None], [1, 2, 3], []])
def test_rows_are_placed_with_equal_bytes_whatever_order_they_were_found_in(spine):
    results = []
    for order in ([1, 2, 3], [3, 1, 2]):
        places = np.array([-1 if one is None else order.index(one) for one in spine], np.int64)
        results.append(placed(columns(order), places))
        wanted = pa.array([None if one is None else one - 1 for one in spine], pa.int64())
        assert results[-1].to_pylist() == columns([1, 2, 3]).take(wanted).to_pylist()
        assert results[-1].schema == columns(order).schema
    assert not spine or buffers(results[0]) == buffers(results[1])
