"""The limits that a package carries: beyond which a row is an outlier where its model answers."""

from __future__ import annotations

from tidewheel.core.records.outlier_policy import OutlierPolicy
from tidewheel.core.records.record import Record


class ServedLimit(Record, frozen=True, kw_only=True):
    """One declared limit with the numbers that were learned for it.

    Attributes:
        column: the input that it is about.
        policy: what happens to a row beyond.
        low, high: the least and the greatest number that is no outlier; None where the rows gave no limit.
        expected_share: of the rows that they were learned from, how many lie beyond.
    """

    column: str
    policy: OutlierPolicy
    low: float | None = None
    high: float | None = None
    expected_share: float = 0.0


class ServedLimits(Record, frozen=True, kw_only=True):
    """All limits of a package, in the order in which they were declared.

    Attributes:
        limits: one for each declared limit, also where nothing could be learned.
        row_count: rows that they were learned from.
        fallback: the answer to a row that falls back: one number, or of more than two classes one for each; the
            probability or the prediction. Empty when no limit falls back.
    """

    limits: tuple[ServedLimit, ...]
    row_count: int
    fallback: tuple[float, ...] = ()
