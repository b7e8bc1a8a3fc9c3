"""An outlier among served rows, and how many there were."""

from __future__ import annotations

from tidewheel.core.records.outlier_policy import OutlierPolicy
from tidewheel.core.records.record import Record


class Outlier(Record, frozen=True, kw_only=True):
    """One number of one row beyond a limit.

    Attributes:
        column, value: the number as it came: in the request, or from a view.
        limit: the nearest number that is no outlier.
        policy: what was done about it.
    """

    column: str
    policy: OutlierPolicy
    value: float
    limit: float

    def __str__(self) -> str:
        return f"{self.column} is {self.value:g}, beyond {self.limit:g}"


class OutlierCount(Record, frozen=True, kw_only=True):
    """How many rows were beyond the limits of one column, with one policy."""

    column: str
    policy: OutlierPolicy
    count: int


class OutlierCounts(Record, frozen=True, kw_only=True):
    """What an endpoint has seen since its version began to answer.

    Attributes:
        package_digest: whose limits these are.
        row_count: rows that were held against them, answered or refused; not those that came again.
        counts: in the order of the columns' names; what never came is not among them.
    """

    package_digest: str
    row_count: int = 0
    counts: tuple[OutlierCount, ...] = ()
