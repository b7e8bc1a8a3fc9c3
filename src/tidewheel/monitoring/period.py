"""Calendar windows, so that a monitor that looks twice sees the same one."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

Period = Literal["day", "week", "month"]


def last_complete(period: Period, now: datetime) -> tuple[datetime, datetime]:
    """Start and end (exclusive) of the newest period that had ended by `now`, in the zone of `now`.

    Example:
        >>> from datetime import UTC
        >>> [str(moment.date()) for moment in last_complete("month", datetime(2013, 5, 1, 12, tzinfo=UTC))]
        ['2013-04-01', '2013-05-01']
    """
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    if period == "day":
        return midnight - timedelta(days=1), midnight
    if period == "week":
        end = midnight - timedelta(days=midnight.weekday())
        return end - timedelta(days=7), end
    end = midnight.replace(day=1)
    return (end - timedelta(days=1)).replace(day=1), end
