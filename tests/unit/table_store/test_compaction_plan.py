from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tidewheel.table_store.compaction_plan import plan_groups

ROWS = st.lists(st.integers(0, 5_000), max_size=60)


@given(ROWS, st.integers(2, 10), st.integers(1, 20_000), st.frozensets(st.integers(0, 59), max_size=5))
def test_groups_are_disjoint_runs_within_the_target_and_hold_every_stale_file(rows, min_files, target, marked):
    stale = frozenset(place for place in marked if place < len(rows))
    groups = plan_groups(rows, target_rows=target, min_files=min_files, stale=stale)
    places = [place for group in groups for place in group]
    assert places == sorted(set(places))
    assert stale <= set(places)
    for group in groups:
        assert len(group) >= min_files or (len(group) == 1 and group[0] in stale)
        assert len(group) == 1 or sum(rows[place] for place in group) <= target


@given(ROWS, st.integers(2, 10))
def test_what_was_compacted_is_not_compacted_again(rows, min_files):
    for _ in range(20):
        groups = plan_groups(rows, target_rows=100_000, min_files=min_files)
        if not groups:
            return
        firsts = {group[0]: sum(rows[place] for place in group) for group in groups}
        inside = {place for group in groups for place in group}
        rows = [firsts.get(place, count) for place, count in enumerate(rows) if place in firsts or place not in inside]
    raise AssertionError("compaction goes on for ever")


def test_few_small_files_do_not_rewrite_a_large_one():
    assert plan_groups([500_000, *[1_000] * 9], target_rows=1 << 20, min_files=8) == [range(1, 10)]


def test_each_row_of_ten_thousand_small_appends_is_written_a_few_times():
    files, written = [], 0
    for _ in range(10_000):
        files.append(1_000)
        if len(files) >= 50:
            for group in reversed(plan_groups(files, target_rows=1 << 20, min_files=8)):
                rows = sum(files[place] for place in group)
                written += rows
                files[group.start : group.stop] = [rows]
    assert written <= 4 * 10_000 * 1_000
    assert len(files) < 80
