"""The join against a plain reading of its promise: for every row of the spine every row of the table is looked at."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
from hypothesis import example, given, settings
from hypothesis import strategies as st

from feature_tables import GrowingTable
from tidewheel.feature_store import join
from tidewheel.pipeline import FeatureView

# Microseconds in a small range, so that ties, edges of the time to live and late rows are the rule.
TIMES = st.integers(0, 12) | st.none()
ENTITIES = st.sampled_from(["a", "b", None])
ROWS = st.lists(st.tuples(ENTITIES, st.integers(0, 1) | st.none(), TIMES, TIMES), max_size=14)
SPINE = st.lists(st.tuples(ENTITIES, st.integers(0, 1) | st.none(), TIMES, TIMES), max_size=8)
INSTANT = pa.timestamp("us", tz="UTC")


def expected(spine, rows, ttl, knows):
    """The number of the row that each row of the spine sees, or None."""
    found = []
    for text, number, time, known in spine:
        best = None
        for position, (row_text, row_number, event, created) in enumerate(rows):
            if None in (text, number, time, event) or (text, number) != (row_text, row_number) or event > time:
                continue
            if knows and (known is None or created is None or created > known):
                continue
            rank = (event, -1 if created is None else created, position)
            best = rank if best is None else max(best, rank)
        is_fresh = best is not None and (ttl is None or time - best[0] <= ttl)
        found.append(best[2] if is_fresh else None)
    return found


def reference(folder, rows, cuts):
    """The rows as files of one snapshot, cut at some places."""
    columns = list(zip(*rows, strict=True)) if rows else [[], [], [], []]
    table = pa.table(
        {
            "text": pa.array(columns[0], pa.string()),
            "number": pa.array(columns[1], pa.int32()),
            "event": pa.array(columns[2], INSTANT),
            "created": pa.array(columns[3], INSTANT),
            "row": pa.array(range(len(rows)), pa.int64()),
        }
    )
    edges = [0, *sorted({min(cut, len(rows)) for cut in cuts}), len(rows)]
    return GrowingTable(Path(folder))(*(table.slice(start, end - start) for start, end in pairwise(edges)))


def spine_table(spine):
    columns = list(zip(*spine, strict=True)) if spine else [[], [], [], []]
    return pa.table(
        {
            "text": pa.array(columns[0], pa.string()),
            "number": pa.array(columns[1], pa.int64()),
            "at": pa.array(columns[2], INSTANT),
            "known": pa.array(columns[3], INSTANT),
        }
    )


@settings(max_examples=40)
@given(
    spine=SPINE,
    rows=ROWS,
    ttl=st.integers(1, 6) | st.none(),
    knows=st.booleans(),
    has_created=st.booleans(),
    cuts=st.lists(st.integers(0, 14), max_size=2),
)
@example(  # the events of an entity became known in another order than they happened
    spine=[("a", 0, 5, 6)],
    rows=[("a", 0, 1, 2), ("a", 0, 2, 3), ("a", 0, 4, 9), ("a", 0, 7, 5)],
    ttl=None,
    knows=True,
    has_created=True,
    cuts=[2],
)
@example(  # all was created late, so that the last known row is far back
    spine=[("a", 0, 5, 5), ("a", 0, 5, 5)],
    rows=[("a", 0, time, time + 3) for time in range(6)],
    ttl=4,
    knows=True,
    has_created=True,
    cuts=[],
)
@example(
    spine=[("a", 0, 5, 5)],
    rows=[("a", 0, 5, None), ("a", 0, 5, 1), ("a", 0, 5, 1)],
    ttl=1,
    knows=False,
    has_created=True,
    cuts=[1],
)
def test_a_join_is_what_a_look_at_every_row_finds(spine, rows, ttl, knows, has_created, cuts):
    view = FeatureView(
        "values",
        table="values",
        keys=["text", "number"],
        event_time="event",
        ttl=None if ttl is None else timedelta(microseconds=ttl),
        created_time="created" if has_created else None,
        features={"row": "row", "parity": "row % 2 = 0"},
    )
    plain_rows = rows if has_created else [(*row[:3], 0) for row in rows]
    wanted = expected(spine, plain_rows, ttl, knows=knows and has_created)
    given_spine = spine_table(spine)
    with TemporaryDirectory() as folder:
        found, report = join(
            given_spine,
            [view.definition],
            {"values": reference(folder, rows, cuts)},
            event_time="at",
            as_known="known" if knows else None,
        )
    assert found.column("row").to_pylist() == wanted
    assert found.column("parity").to_pylist() == [None if one is None else one % 2 == 0 for one in wanted]
    assert found.select(given_spine.column_names).equals(given_spine)
    one = report.views[0]
    assert one.matched == len(spine) - wanted.count(None)
    assert one.matched + one.expired + one.missing == len(spine)
