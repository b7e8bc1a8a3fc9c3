"""Which data files of a table are put together: a plan over row counts alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

_TIER_BITS = 3
"""A tier holds files within a factor of eight; a row is written once for each tier, so log8 of the table's size."""


class _Run(NamedTuple):
    first: int
    end: int
    rows: int


def plan_groups(
    row_counts: Sequence[int],
    *,
    target_rows: int,
    min_files: int,
    stale: frozenset[int] = frozenset(),
) -> list[range]:
    """The runs of neighbouring files that become one file each, by position; files in none stay as they are.

    Neighbours only, so that the order of rows stays. Small files go together first and what comes of them is looked at
    again, so a large file is not written anew for a few small ones beside it.

    Args:
        row_counts: of the files, in the order of their rows.
        target_rows: no group has more, unless a single file has.
        min_files: fewer neighbours of one size are left alone.
        stale: positions of files that are written anew in any case.

    Example:
        >>> plan_groups([9_000, 10, 10, 10, 10], target_rows=10_000, min_files=4)
        [range(1, 5)]
        >>> plan_groups([10, 10, 10], target_rows=10_000, min_files=4, stale=frozenset({1}))
        [range(1, 2)]
    """
    runs = [_Run(place, place + 1, rows) for place, rows in enumerate(row_counts)]
    for tier in range(0, max(target_rows, 1).bit_length() + _TIER_BITS, _TIER_BITS):
        runs = _merge(runs, min(1 << (tier + _TIER_BITS), target_rows), target_rows, min_files)
    return [range(one.first, one.end) for one in runs if one.end - one.first > 1 or one.first in stale]


def _merge(runs: Sequence[_Run], below_rows: int, target_rows: int, min_files: int) -> list[_Run]:
    """Puts neighbours that have fewer rows than `below_rows` together where there are enough of them."""
    merged: list[_Run] = []
    group: list[_Run] = []
    for run in [*runs, None]:
        fits = run is not None and run.rows < below_rows
        is_full = run is not None and sum(one.rows for one in group) + run.rows > target_rows
        if group and (not fits or is_full):
            merged += _joined(group) if len(group) >= min_files else group
            group = []
        if run is None:
            break
        if fits:
            group.append(run)
        else:
            merged.append(run)
    return merged


def _joined(group: Sequence[_Run]) -> list[_Run]:
    return [_Run(group[0].first, group[-1].end, sum(one.rows for one in group))]
