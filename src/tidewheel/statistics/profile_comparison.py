"""What moved between two profiles: schema, and each column's distribution with effect sizes and corrected tests."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np

from tidewheel.core.errors import NotFoundError
from tidewheel.statistics import distance as _distance
from tidewheel.statistics import significance
from tidewheel.statistics.cells import Floats
from tidewheel.statistics.column_profile import ColumnProfile
from tidewheel.statistics.profile import Profile

Exemption = Literal["", "time", "unique", "ignored", "contract"]
LEVEL = 0.01
"""The probability of calling anything moved when nothing did, over all columns together."""
EFFECT = 0.1
"""The least distance (Jensen-Shannon, 0..1) that matters; with many rows any difference is significant."""
MISSING_EFFECT = 0.02
"""The least change of the share of missing values that matters."""


@dataclass(frozen=True, slots=True)
class ColumnDistance:
    """How far a column has moved from the reference.

    Args:
        name, kind: of the column.
        jensen_shannon: distance of the values' distributions, 0..1; the effect size that decides.
        psi: population stability index on the same bins.
        ks: Kolmogorov-Smirnov distance, of numbers and times.
        wasserstein: in standard deviations of the reference, of numbers.
        missing_before, missing_after: shares of null or NaN.
        new_share: rows with a text that the reference does not have at all; None when the reference has too many.
        p_value: that all this is chance; `p_adjusted` is corrected for all columns looked at together.
        exemption: why it is not judged: `time` and `unique` (texts that are nearly all different) move by nature,
            `ignored` was named by who asked, `contract` by the contract of the table; empty when it is.
        is_judged: whether it has no exemption.
        has_moved: significant and large enough to matter.
    """

    name: str
    kind: str
    jensen_shannon: float | None = None
    psi: float | None = None
    ks: float | None = None
    wasserstein: float | None = None
    missing_before: float = 0.0
    missing_after: float = 0.0
    new_share: float | None = None
    p_value: float = 1.0
    p_adjusted: float = 1.0
    exemption: Exemption = ""
    is_judged: bool = True
    has_moved: bool = False


@dataclass(frozen=True, slots=True)
class ProfileComparison:
    """Everything that differs between a reference and a current profile.

    Args:
        reference_rows, current_rows: rows of each.
        added, removed: names of columns that only the current, or only the reference has.
        retyped: name, type before, type now.
        columns: of the columns that both have with values of one kind, in the reference's order.
    """

    reference_rows: int
    current_rows: int
    added: tuple[str, ...]
    removed: tuple[str, ...]
    retyped: tuple[tuple[str, str, str], ...]
    columns: tuple[ColumnDistance, ...]

    def __repr__(self) -> str:
        moved = ", ".join(column.name for column in self.moved) or "none"
        return f"<comparison of {self.current_rows:,} rows with {self.reference_rows:,}: moved {moved}>"

    @property
    def moved(self) -> tuple[ColumnDistance, ...]:
        """The columns that have moved, the farthest first."""
        found = (column for column in self.columns if column.has_moved)
        return tuple(sorted(found, key=lambda column: (-(column.jensen_shannon or 0.0), column.name)))

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return asdict(self)


def compare_profiles(
    reference: Profile,
    current: Profile,
    *,
    level: float = LEVEL,
    effect: float = EFFECT,
    missing_effect: float = MISSING_EFFECT,
    ignore: Collection[str] = (),
    exempt: Collection[str] = (),
) -> ProfileComparison:
    """Compares what was observed with what was observed before.

    Args:
        level: the promised rate of false alarms over all columns of one comparison, for independent rows.
        effect: the least Jensen-Shannon distance that counts as moved.
        missing_effect: the least change of the missing share that counts as moved.
        ignore: columns that are measured but not judged, such as the number of the month.
        exempt: the same, by the contract of the table; columns that are not there do no harm.

    Raises:
        NotFoundError: a column to be ignored is in neither profile.

    Example:
        >>> import numpy, pyarrow
        >>> from tidewheel.statistics.profile_pass import profile_table
        >>> before = profile_table(pyarrow.table({"delay": numpy.arange(1000.0)}))
        >>> after = profile_table(pyarrow.table({"delay": numpy.arange(500.0, 1500.0)}))
        >>> [(column.name, column.ks) for column in compare_profiles(before, after).moved]
        [('delay', 0.5)]
    """
    now = {column.name: column for column in current.columns}
    before = {column.name: column for column in reference.columns}
    for name in ignore:
        if name not in now and name not in before:
            raise NotFoundError("column", name, known=[*before, *now])
    pairs = [(old, now[name]) for name, old in before.items() if name in now and now[name].kind == old.kind]
    named: dict[str, Exemption] = {**dict.fromkeys(exempt, "contract"), **dict.fromkeys(ignore, "ignored")}
    distances = [_compare(old, new, named.get(old.name) or _exemption(old)) for old, new in pairs]
    judged = iter(significance.holm([one.p_value for one in distances if one.is_judged]))
    finished = []
    for one in distances:
        if one.is_judged:
            p_adjusted = next(judged)
            is_large = (one.jensen_shannon or 0.0) >= effect or abs(
                one.missing_after - one.missing_before
            ) >= missing_effect
            one = replace(one, p_adjusted=p_adjusted, has_moved=p_adjusted < level and is_large)
        finished.append(one)
    return ProfileComparison(
        reference.row_count,
        current.row_count,
        tuple(name for name in now if name not in before),
        tuple(name for name in before if name not in now),
        tuple((name, old.type, now[name].type) for name, old in before.items() if _is_retyped(old, now.get(name))),
        tuple(finished),
    )


def _is_retyped(old: ColumnProfile, new: ColumnProfile | None) -> bool:
    return new is not None and new.type != old.type


def _exemption(column: ColumnProfile) -> Exemption:
    if column.kind == "time":
        return "time"
    return "unique" if _is_nearly_unique(column) else ""


def _compare(old: ColumnProfile, new: ColumnProfile, exemption: Exemption) -> ColumnDistance:
    found = ColumnDistance(
        old.name,
        old.kind,
        missing_before=old.missing_share,
        missing_after=new.missing_share,
        exemption=exemption,
        is_judged=not exemption,
    )
    p_values = [_missing_p(old, new)]
    if old.kind == "text":
        bins = _distance.text_bins(old.frequent, new.frequent)
        found = replace(found, new_share=_new_share(old, new))
    else:
        bins = _distance.number_bins(old.cells, new.cells)
    if bins[0].sum() and bins[1].sum():
        found = replace(
            found,
            jensen_shannon=_distance.jensen_shannon(*bins),
            psi=_distance.population_stability_index(*bins),
        )
        p_values.append(significance.same_shares_p(*bins))
    if old.kind in ("number", "time"):
        found = _with_order(found, old, new, p_values)
    return replace(found, p_value=min(1.0, min(p_values) * len(p_values)))


def _with_order(found: ColumnDistance, old: ColumnProfile, new: ColumnProfile, p_values: list[float]) -> ColumnDistance:
    gap = _distance.kolmogorov_smirnov(old.cells, new.cells)
    if gap is None:
        return found
    p_values.append(significance.kolmogorov_smirnov_p(gap, old.cells.total, new.cells.total))
    moved, scale = _distance.wasserstein(old.cells, new.cells), old.moments.deviation
    scaled = moved / scale if moved is not None and scale else None
    return replace(found, ks=gap, wasserstein=scaled if scaled is not None and math.isfinite(scaled) else None)


def _missing_p(old: ColumnProfile, new: ColumnProfile) -> float:
    if not old.row_count or not new.row_count:
        return 1.0
    return significance.same_shares_p(_missing(old), _missing(new))


def _missing(column: ColumnProfile) -> Floats:
    return np.array([column.row_count - column.missing_count, column.missing_count], dtype=np.float64)


def _new_share(old: ColumnProfile, new: ColumnProfile) -> float | None:
    if not old.frequent.is_exact or not new.frequent.total:
        return None
    known = sum(count for value, count in new.frequent.counts.items() if value in old.frequent.counts)
    unknown = sum(count for value, count in new.frequent.counts.items() if value not in old.frequent.counts)
    return unknown / new.frequent.total if new.frequent.is_exact else unknown / max(1, known + unknown)


def _is_nearly_unique(column: ColumnProfile) -> bool:
    return column.kind == "text" and column.value_count > 100 and column.distinct_count > 0.9 * column.value_count
