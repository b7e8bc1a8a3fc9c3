"""The outcome of a gate."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tidewheel.core.records.record import Record


class Check(Record, frozen=True, kw_only=True):
    """One condition that a candidate had to meet.

    Attributes:
        name: such as `better than champion`.
        passed: whether it was met.
        metric: what was measured.
        value: the candidate's number.
        reference: the number it was held against; None for a check without one.
        difference: the estimated gain over the reference, positive is better.
        low, high: the interval of that difference, of a check without one that of the value.
        row_count: rows that it was measured on.
        message: the outcome in words.
    """

    name: str
    passed: bool
    metric: str = ""
    value: float | None = None
    reference: float | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    row_count: int = 0
    message: str = ""


class TrainingRows(Record, frozen=True, kw_only=True):
    """What a candidate learned from.

    Attributes:
        row_count: how many rows.
        until: the newest time that one is about; None when no time column is declared.
        keys_digest: of their keys, whatever their order; empty when no key is declared.
    """

    row_count: int
    until: datetime | None = None
    keys_digest: str = ""


class Verdict(Record, frozen=True, kw_only=True):
    """Whether a candidate may take over, each check with its numbers.

    Attributes:
        candidate_digest: digest of the judged package artifact.
        champion_version: the version it was compared with; None when there was none. A promotion is refused when the
            champion has changed since.
        checks: all of them, also those after the first failed one.
        criteria: the gate as it was declared; empty in verdicts of older versions.
        training: what the candidate learned from; None when the gate was not shown it.
    """

    candidate_digest: str
    champion_version: int | None
    checks: tuple[Check, ...]
    criteria: dict[str, Any] = {}
    training: TrainingRows | None = None

    def __repr__(self) -> str:
        """What a notebook shows.

        Example:
            >>> Verdict(candidate_digest="", champion_version=3, checks=(Check(name="test rows", passed=True),))
            <verdict against v3: passed, 1 of 1 checks>
        """
        compared = "without a champion" if self.champion_version is None else f"against v{self.champion_version}"
        failed = [check.name for check in self.checks if not check.passed]
        met = f"{len(self.checks) - len(failed)} of {len(self.checks)} checks"
        outcome = "passed" if self.passed else "failed"
        return f"<verdict {compared}: {outcome}, {met}{'; not: ' if failed else ''}{', '.join(failed)}>"

    @property
    def passed(self) -> bool:
        """True when every check passed and there was at least one."""
        return bool(self.checks) and all(check.passed for check in self.checks)
