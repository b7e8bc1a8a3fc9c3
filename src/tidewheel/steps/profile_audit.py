"""Profiles a batch before it is published, and tells which columns have moved away from the batches before it.

The reference is the merged profile of the newest `WINDOW` batches that ingests published. They were profiled when they
came, so nothing is read again, and the cost does not grow with the table. A batch is compared with its own past and not
with a model's training data; that is what data validation does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tidewheel.core.records import ContractFinding, TableContract
from tidewheel.core.records.contract import ProfilePolicy
from tidewheel.statistics import ColumnDistance, ColumnProfile, Profile, compare_profiles
from tidewheel.statistics.column_profile import merge_columns
from tidewheel.statistics.profile_pass import profile_batches
from tidewheel.statistics.profile_summary import shown
from tidewheel.table_store import TableReader, TableReference

WINDOW = 12
"""So many batches are the reference: of monthly files a year, so that each season is in it once."""


class ProfileAudit:
    """Compares the batches of one ingest, of which there are several when other writers were first.

    Args:
        before: the profiles of the newest published batches of a table, at most `WINDOW`.

    Attributes:
        profile: of the batch that was looked at last.
    """

    def __init__(self, before: Callable[[str], Sequence[Profile]]) -> None:
        self._before = before
        self._files: tuple[str, ...] = ()
        self.profile: Profile | None = None

    def check(self, rows: TableReference, contract: TableContract) -> list[ContractFinding]:
        """The columns that have moved, in their order; none for the first batch of a table.

        Args:
            rows: what is about to be published.
            contract: says what is looked at, and what then happens.
        """
        if not any(contract.profile.values()):
            return []
        profile = self._look(rows)
        parts = self._before(contract.table)
        if not parts or not profile.row_count:
            return []
        reference = merged_reference(parts, profile)
        moved = [column for column in compare_profiles(reference, profile).columns if column.has_moved]
        policies = contract.profile
        return [
            _finding(column, policy, reference, profile, len(parts))
            for column in moved
            if (policy := policies.get(column.name, policies.get("*"))) is not None
        ]

    def _look(self, rows: TableReference) -> Profile:
        files = tuple(file.path for file in rows.files)
        if self.profile is None or files != self._files:
            reader = TableReader(rows)
            self.profile, self._files = profile_batches(reader.encoded_batches(), reader.schema), files
        return self.profile


def merged_reference(parts: Sequence[Profile], like: Profile) -> Profile:
    """The profile of all rows of the parts, in those columns of `like` that they have with the same type.

    A table may have grown by columns since, so a column is that of the parts which know it.

    Example:
        >>> import pyarrow
        >>> from tidewheel.statistics.profile_pass import profile_table
        >>> old, new = profile_table(pyarrow.table({"a": [1]})), profile_table(pyarrow.table({"a": [2], "b": ["x"]}))
        >>> [(column.name, column.row_count) for column in merged_reference([old, new], new).columns]
        [('a', 2), ('b', 1)]
    """
    columns: list[ColumnProfile] = []
    for name, type_ in like.schema:
        known = [column for part in parts for column in part.columns if (column.name, column.type) == (name, type_)]
        if known:
            columns.append(merge_columns(known))
    return Profile(tuple(columns), sum(part.row_count for part in parts))


def _finding(
    moved: ColumnDistance, policy: ProfilePolicy, reference: Profile, profile: Profile, batches: int
) -> ContractFinding:
    old, new = reference.column(moved.name), profile.column(moved.name)
    before = f"the {batches} batches before" if batches > 1 else "the batch before"
    return ContractFinding(
        rule=f"{moved.name}.profile",
        column=moved.name,
        policy=policy or "flag",
        severity="error" if policy == "stop" else "warning",
        count=profile.row_count,
        share=1.0,
        message=f"{moved.name} has moved against {before}: {', '.join(_differences(moved, old, new))}",
    )


def _differences(moved: ColumnDistance, old: ColumnProfile, new: ColumnProfile) -> list[str]:
    told = []
    if moved.jensen_shannon is not None:
        told.append(f"distance {moved.jensen_shannon:.2f}")
    if old.kind == "number" and len(old.cells.keys) and len(new.cells.keys):
        medians = [shown(float(one.cells.quantiles([0.5])[0]), is_time=False) for one in (old, new)]
        told.append(f"median {medians[0]:.4g} -> {medians[1]:.4g}")
    if moved.new_share:
        told.append(f"{moved.new_share:.1%} new values")
    if moved.missing_before != moved.missing_after:
        told.append(f"missing {moved.missing_before:.1%} -> {moved.missing_after:.1%}")
    return told
