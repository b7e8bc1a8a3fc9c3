"""Integer keys are compared as what they are, however wide the spine's and the view's columns are."""

from __future__ import annotations

import pyarrow as pa
import pytest

from feature_tables import GrowingTable
from tidewheel.feature_store import join
from tidewheel.pipeline import FeatureView

INSTANT = pa.timestamp("us", tz="UTC")
WIDE = 2**32
VIEW_KEYS = [5, 5 + WIDE, 2**31 - 1, 2**31, -(2**31), -(2**31) - 1, None]


def joined(path, spine_keys, spine_type, view_keys, view_type, created=None):
    rows = len(view_keys)
    times = pa.array([1] * rows, INSTANT)
    facts = {"key": pa.array(view_keys, view_type), "event": times, "value": list(range(rows))}
    table = pa.table(facts | ({} if created is None else {"created": pa.array(created, INSTANT)}))
    view = FeatureView(
        "values", "values", ["key"], "event", None, ["value"], created_time=None if created is None else "created"
    )
    spine = pa.table({"key": pa.array(spine_keys, spine_type), "at": pa.array([2] * len(spine_keys), INSTANT)})
    found, report = join(spine, [view.definition], {"values": GrowingTable(path)(table)}, event_time="at")
    assert found.column("key").equals(spine.column("key"))
    assert report.views[0].matched == sum(one is not None for one in found.column("value").to_pylist())
    return found.column("value").to_pylist()


@pytest.mark.parametrize("spine_type", [pa.int64(), pa.int32(), pa.uint8()])
def test_what_does_not_fit_into_a_narrow_spine_is_another_entity(tmp_path, spine_type):
    assert joined(tmp_path, [5, 6, None], spine_type, VIEW_KEYS, pa.int64()) == [0, None, None]


def test_the_ends_of_32_bits_are_met_and_not_passed(tmp_path):
    ends = [2**31 - 1, -(2**31)]
    assert joined(tmp_path / "narrow", ends, pa.int64(), VIEW_KEYS, pa.int64()) == [2, 4]
    assert joined(tmp_path / "wide", [*ends, 2**31], pa.int64(), VIEW_KEYS, pa.int64()) == [2, 4, 3]


def test_a_wide_spine_meets_narrow_and_unsigned_views(tmp_path):
    keys = [5, 5 + WIDE, None]
    assert joined(tmp_path / "wide", keys, pa.int64(), VIEW_KEYS, pa.int64()) == [0, 1, None]
    assert joined(tmp_path / "narrow", keys, pa.int64(), [4, 5], pa.int16()) == [1, None, None]
    unsigned = [5, 2**64 - 1, 2**63]
    assert joined(tmp_path / "unsigned", [5, 7], pa.int64(), unsigned, pa.uint64()) == [0, None]
    assert joined(tmp_path / "both", [2**63, 5], pa.uint64(), unsigned, pa.uint64()) == [2, 0]
    assert joined(tmp_path / "null", [None, None], pa.int64(), VIEW_KEYS, pa.int64()) == [None, None]


def test_of_rows_created_at_one_time_the_one_ingested_last_counts_beside_others_that_time_settles(tmp_path):
    keys, created = [1, 1, 1, 2, 2, 2, 3, 4, 4], [3, 3, 2, 1, 3, 2, 1, None, None]
    assert joined(tmp_path, [4, 3, 2, 1, 1, 9], pa.int64(), keys, pa.int64(), created) == [8, 6, 4, 1, 1, None]
