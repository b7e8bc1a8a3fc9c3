"""How many of the rows that came were beyond limits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from tidewheel.core.records import Outlier, OutlierCount, OutlierCounts
from tidewheel.core.records.outlier_policy import OutlierPolicy


class OutlierTally:
    """Counts by column and policy; a row counts once for each, however many limits of both it is beyond.

    Args:
        package_digest: whose limits these are.

    Example:
        >>> tally = OutlierTally("d1")
        >>> tally.add(10, {3: [Outlier(column="wind", policy="clip", value=90.0, limit=60.0)]})
        >>> tally.counts().row_count, [(one.column, one.count) for one in tally.counts().counts]
        (10, [('wind', 1)])
    """

    def __init__(self, package_digest: str) -> None:
        self._package_digest = package_digest
        self._row_count = 0
        self._counts = Counter[tuple[str, OutlierPolicy]]()

    def add(self, row_count: int, outliers: Mapping[int, Sequence[Outlier]]) -> None:
        """Counts the rows of one request.

        Args:
            outliers: by row.
        """
        self._row_count += row_count
        for found in outliers.values():
            self._counts.update({(one.column, one.policy) for one in found})

    def counts(self) -> OutlierCounts:
        """All that was counted."""
        counts = tuple(
            OutlierCount(column=column, policy=policy, count=count)
            for (column, policy), count in sorted(self._counts.items())
        )
        return OutlierCounts(package_digest=self._package_digest, row_count=self._row_count, counts=counts)
