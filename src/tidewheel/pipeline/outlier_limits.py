"""What is an outlier, and what is done about it, declared for a place: in training, or where a model answers."""

from __future__ import annotations

from typing import get_args

import msgspec

from tidewheel.core.errors import DefinitionError, suggest
from tidewheel.core.records.outlier_policy import POLICIES, OutlierPolicy, Place


class ColumnLimit(msgspec.Struct, frozen=True):
    """Limits for one column of numbers, from what was observed of it before.

    Attributes:
        column: its name.
        policy: what happens to rows beyond the limits.
        place: where this is applied.
        mads: limits are the median plus and minus so many median absolute deviations.
        quantile: instead, the quantiles of this share and of 1 minus it, such as 0.001.
        tolerated: `refuse` stops when more than this share of the rows lies beyond, 0 to 1; in training only, since
            where a model answers each row is judged alone.

    Raises:
        DefinitionError: the policy cannot be applied in this place, or a number is out of its range.

    Example:
        >>> ColumnLimit("dep_delay", policy="clip", quantile=0.001).place
        'training'
        >>> ColumnLimit("dep_delay", policy="fall_back")
        Traceback (most recent call last):
        ...
        tidewheel.core.errors.DefinitionError: the limit of column 'dep_delay' is declared wrongly
          - policy 'fall_back' cannot be applied in training: flag, quarantine, clip or refuse can @ ColumnLimit.policy
    """

    column: str
    policy: OutlierPolicy = "flag"
    place: Place = "training"
    mads: float = 10.0
    quantile: float | None = None
    tolerated: float = 0.0

    def __post_init__(self) -> None:
        problems = _policy_problems(self, "ColumnLimit")
        if not self.mads > 0:
            problems.append(f"{self.mads} is not above 0 @ ColumnLimit.mads")
        if self.quantile is not None and not 0 < self.quantile < 0.5:
            problems.append(f"{self.quantile} is not between 0 and 0.5 @ ColumnLimit.quantile")
        if self.place == "serving" and self.tolerated:
            problems.append("a row that is asked about is judged alone: none is tolerated @ ColumnLimit.tolerated")
        if problems:
            raise DefinitionError(f"the limit of column {self.column!r} is declared wrongly", problems)


class RowDetector(msgspec.Struct, frozen=True, kw_only=True):
    """Rows whose numbers are strange together, told by an isolation forest (Liu, Ting and Zhou 2008).

    Attributes:
        columns: the numbers that it looks at; all that are judged when empty.
        policy: what happens to such rows; a row cannot be clipped.
        place: where this is applied.
        share: of earlier rows that are called strange, 0 to 0.5: what is to be expected when nothing has changed.
        tolerated: `refuse` stops when more than this share of the rows is strange; above `share`.
        trees, seed: of the forest.

    Raises:
        DefinitionError: the policy cannot be applied in this place, or a number is out of its range.
    """

    columns: tuple[str, ...] = ()
    policy: OutlierPolicy = "flag"
    place: Place = "training"
    share: float = 0.001
    tolerated: float = 0.01
    trees: int = 100
    seed: int = 0

    def __post_init__(self) -> None:
        problems = _policy_problems(self, "RowDetector")
        if self.policy == "clip":
            problems.append("policy 'clip' needs a limit, which a row has not: see ColumnLimit @ RowDetector.policy")
        if not 0 < self.share < 0.5:
            problems.append(f"{self.share} is not between 0 and 0.5 @ RowDetector.share")
        if self.policy == "refuse" and self.tolerated <= self.share:
            problems.append(f"{self.tolerated} would refuse rows of which nothing has changed @ RowDetector.tolerated")
        if self.trees < 1:
            problems.append(f"{self.trees} trees are none @ RowDetector.trees")
        if problems:
            raise DefinitionError("the detector of strange rows is declared wrongly", problems)


def _policy_problems(declared: ColumnLimit | RowDetector, kind: str) -> list[str]:
    problems = []
    if declared.place not in POLICIES:
        problems.append(f"{declared.place!r} is no place: {suggest(str(declared.place), POLICIES)} @ {kind}.place")
    elif declared.policy not in get_args(OutlierPolicy):
        known = suggest(str(declared.policy), get_args(OutlierPolicy))
        problems.append(f"{declared.policy!r} is no policy: {known} @ {kind}.policy")
    elif declared.policy not in POLICIES[declared.place]:
        *most, last = POLICIES[declared.place]
        there = f"{', '.join(most)} or {last} can"
        problems.append(f"policy {declared.policy!r} cannot be applied in {declared.place}: {there} @ {kind}.policy")
    if not 0 <= declared.tolerated < 1:
        problems.append(f"{declared.tolerated} is no share from 0 to 1 @ {kind}.tolerated")
    return problems
