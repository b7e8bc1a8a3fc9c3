"""What a join of features found, as data."""

from __future__ import annotations

from typing import Literal

from tidewheel.core.records.record import Record

LookAhead = Literal["excluded", "possible", "unknown"]


class ViewReport(Record, frozen=True, kw_only=True):
    """One view's part of a join.

    Attributes:
        view, table: their names.
        snapshot_id, snapshot_digest: what was read; the id as text, since 63 bits do not survive every JSON reader.
        matched: rows of the spine that got a value.
        expired: rows whose last value was older than the time to live.
        missing: rows for whose entity nothing was known, those with a null key or time among them.
        look_ahead: whether values may have been corrected after the spine's time: `excluded` when the spine says what
            was known, `possible` when it does not, `unknown` when the table does not tell when rows were created.
        created_later: matched rows whose value was created after the spine's event time; None when that is not told.
    """

    view: str
    table: str
    snapshot_id: str
    snapshot_digest: str
    matched: int
    expired: int
    missing: int
    look_ahead: LookAhead
    created_later: int | None = None


class JoinReport(Record, frozen=True, kw_only=True):
    """A whole join.

    Attributes:
        rows: of the spine, and so of the result.
        views: in the order of the join; on-demand views are not among them.
    """

    rows: int
    views: tuple[ViewReport, ...]

    def metrics(self) -> dict[str, float]:
        """Shares of matched rows and counts of what looked ahead, for the record of an execution."""
        found: dict[str, float] = {}
        for one in self.views:
            found[f"{one.view}.matched_ratio"] = one.matched / self.rows if self.rows else 0.0
            found[f"{one.view}.look_ahead_possible"] = float(one.look_ahead != "excluded")
            if one.created_later is not None:
                found[f"{one.view}.created_later"] = float(one.created_later)
        return found
