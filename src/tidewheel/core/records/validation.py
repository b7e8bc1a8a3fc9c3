"""What data validation found in the rows that a run reads."""

from __future__ import annotations

from typing import Any

from tidewheel.core.records.contract import ContractFinding
from tidewheel.core.records.outlier_policy import OutlierPolicy
from tidewheel.core.records.record import Record


class ReferenceSource(Record, frozen=True, kw_only=True):
    """What rows are held against.

    Attributes:
        table: its name.
        snapshot_id: the snapshot that was profiled, as text.
        snapshot_digest, row_count: its content.
        profile_digest: the artifact with its profile.
        contract_digest: of the contract of today; empty when the project declares none.
        model: whose champion was asked for; empty when nobody's was.
        version: that champion, when it was trained on the snapshot; else None.
        reason: why this snapshot, in words.
    """

    table: str
    snapshot_id: str
    snapshot_digest: str
    row_count: int
    profile_digest: str
    contract_digest: str = ""
    model: str = ""
    version: int | None = None
    reason: str


class ColumnSkew(Record, frozen=True, kw_only=True):
    """How far the values of a column have moved.

    Attributes:
        column, kind: its name, and how it is looked at.
        distance: Jensen-Shannon, 0..1; None when one side has no value.
        psi, ks: population stability index; Kolmogorov-Smirnov distance of numbers.
        missing_before, missing_after: shares of null or NaN.
        new_share: of rows with a text that the reference does not have.
        p_adjusted: that this is chance, corrected for all columns that are judged.
        exemption: why it is not judged: `time`, `unique` (texts that are nearly all different) or `ignored`; else "".
        has_moved: significant, and large enough to matter.
    """

    column: str
    kind: str
    distance: float | None
    psi: float | None = None
    ks: float | None = None
    missing_before: float = 0.0
    missing_after: float = 0.0
    new_share: float | None = None
    p_adjusted: float = 1.0
    exemption: str = ""
    has_moved: bool = False


class ValueSkew(Record, frozen=True, kw_only=True):
    """Whether statistics have moved against the reference profile.

    Attributes:
        level: the promised rate of false alarms over all columns together, for independent rows.
        effect: the least distance that matters.
        row_count: rows that were compared; 0 when there were none to compare.
        compared: which rows these are, in words.
        columns: all that both have, in the reference's order.
    """

    level: float
    effect: float
    row_count: int
    compared: str
    columns: tuple[ColumnSkew, ...] = ()

    @property
    def moved(self) -> tuple[ColumnSkew, ...]:
        """The columns that have moved, the farthest first."""
        found = [column for column in self.columns if column.has_moved]
        return tuple(sorted(found, key=lambda one: (-(one.distance or 0.0), one.column)))


class OutlierFinding(Record, frozen=True, kw_only=True):
    """What lies beyond one declared limit.

    Attributes:
        rule: the column's name, or `rows` for strange rows.
        policy: what was done about it.
        low, high: the limits; None where there are none. For rows `high` is the limit of the score.
        below, above: rows beyond each.
        count, share: rows beyond any, of all rows.
        expected_share: of the reference's rows.
        samples: some of these rows.
        message: the finding in words; also why nothing could be judged.
    """

    rule: str
    policy: OutlierPolicy
    low: float | None = None
    high: float | None = None
    below: int = 0
    above: int = 0
    count: int = 0
    share: float = 0.0
    expected_share: float = 0.0
    samples: tuple[dict[str, Any], ...] = ()
    message: str = ""


class ValidationReport(Record, frozen=True, kw_only=True):
    """All findings about rows that are about to be trained on.

    Attributes:
        reference: what they were held against.
        row_count: looked at.
        kept_count: handed on; the others are in quarantine.
        clipped_count: values that were brought to a limit.
        stops: what stopped the run, in words; empty when nothing did.
        findings: schema skew, and every broken rule of the contract.
        skew: of values; None when the run was stopped before.
        outliers: one for each declared limit.
    """

    reference: ReferenceSource
    row_count: int
    kept_count: int = 0
    clipped_count: int = 0
    stops: tuple[str, ...] = ()
    findings: tuple[ContractFinding, ...] = ()
    skew: ValueSkew | None = None
    outliers: tuple[OutlierFinding, ...] = ()
