"""Data validation: may these rows be trained on? Paper: "data validation".

Schema skew stops the run, so that people look; value skew lets it go on and asks for retraining; outliers are treated
as each limit declares.
"""

from __future__ import annotations

from collections.abc import Collection
from importlib import import_module
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from msgspec.structs import replace

from tidewheel.core.errors import DefinitionError, StopRun
from tidewheel.core.records import ValidationReport, ValueSkew
from tidewheel.pipeline import ColumnLimit, RowDetector, step
from tidewheel.statistics.profile_comparison import EFFECT, LEVEL, MISSING_EFFECT
from tidewheel.steps.contract_recheck import in_words, recheck
from tidewheel.steps.outliers import Judged, clip_column, judge_column
from tidewheel.steps.reference import Reference
from tidewheel.steps.value_skew import value_skew

NOTHING_LEFT = "no row is left after quarantine"


class DataValidation(NamedTuple):
    """The outputs of the step.

    Attributes:
        report: everything that was found.
        rows: what may be trained on: without rows for quarantine, clipped where a policy says so.
    """

    report: ValidationReport
    rows: pa.Table


@step
def data_validation(
    rows: pa.Table,
    reference: Reference,
    *,
    ignore: tuple[str, ...] = (),
    time: str = "",
    level: float = LEVEL,
    effect: float = EFFECT,
    missing_effect: float = MISSING_EFFECT,
    limits: tuple[ColumnLimit, ...] = (),
    detector: RowDetector | None = None,
) -> DataValidation:
    """Holds rows against the contract of their table, and against what the champion was trained on.

    Args:
        rows: the rows of a run with all columns of the table: `table("flights")`.
        reference: `reference("flights", model="flight-delay")`.
        ignore: columns whose values move by nature, such as the number of the month: they are measured, not judged. So
            are those for which the contract says `profile={COLUMN: None}`, and its keys.
        time: a column that grows with time; value skew then compares only rows newer than all of the reference's.
        level: the promised rate of false alarms of value skew over all columns together, for independent rows.
        effect: the least Jensen-Shannon distance that counts as moved.
        missing_effect: the least change of the missing share that counts as moved.
        limits: beyond which a column's numbers are outliers, and what is done about them.
        detector: tells rows whose numbers are strange together.

    Raises:
        StopRun: there are no rows; columns are missing, unexpected or of another type; values are outside of their
            domain; a rule says so; or more outliers than a limit that refuses tolerates. Its output `report` has all.
        DefinitionError: a limit is declared for serving.
        NotFoundError: a named column does not exist.

    Example:
        >>> import pyarrow, tempfile, pathlib
        >>> from tidewheel.core.records import ReferenceSource
        >>> from tidewheel.statistics.profile_pass import profile_table
        >>> from tidewheel.table_store import PyIcebergTableStore
        >>> past = pyarrow.table({"delay": range(1000)})
        >>> store = PyIcebergTableStore.open(pathlib.Path(tempfile.mkdtemp()))
        >>> source = ReferenceSource(table="t", snapshot_id="1", snapshot_digest="", row_count=1000,
        ...     profile_digest="", reason="the first rows")
        >>> reference = Reference(source, profile_table(past), None, store.read(store.create("t", past)))
        >>> now = pyarrow.table({"delay": range(500, 1500)})
        >>> report, rows = data_validation(now, reference, limits=(ColumnLimit("delay", mads=2, policy="clip"),))
        >>> [column.column for column in report.skew.moved], report.outliers[0].above, max(rows["delay"].to_pylist())
        (['delay'], 500, 999)
    """
    _check_places(limits, detector)
    table = reference.source.table
    if not rows.num_rows:
        raise _stopped(ValidationReport(reference=reference.source, row_count=0), [f"table {table!r} has no row"])
    checked = recheck(rows, reference)
    report = ValidationReport(reference=reference.source, row_count=rows.num_rows, findings=checked.findings)
    if stops := checked.stops:
        raise _stopped(report, stops)
    if not checked.rows.num_rows:
        raise _stopped(report, [NOTHING_LEFT])
    ignored = {*ignore, *_exempt(reference, rows.column_names)}
    skew = value_skew(
        rows,
        reference.profile,
        ignore=ignored,
        time=time,
        level=level,
        effect=effect,
        missing_effect=missing_effect,
    )
    outliers = [judge_column(checked.rows, limit, reference.profile) for limit in limits]
    if detector is not None:
        # Scikit-learn takes seconds to import; who declares no detector does not wait for it.
        detection = import_module("tidewheel.steps.outlier_detection")
        outliers.append(detection.judge_rows(checked.rows, detector, reference, ignore=ignored))
    return _conclude(report, checked.rows, checked.clipped_count, skew, outliers)


def _conclude(
    report: ValidationReport, rows: pa.Table, clipped: int, skew: ValueSkew, outliers: list[Judged]
) -> DataValidation:
    report = replace(report, skew=skew, outliers=tuple(one.finding for one in outliers))
    if refused := [one.finding.message for one in outliers if one.is_refused]:
        raise _stopped(report, refused)
    for finding in report.outliers:
        if finding.policy == "clip":
            rows = clip_column(rows, finding)
            clipped += finding.count
    leaving = [one.is_outlier for one in outliers if one.finding.policy == "quarantine"]
    if leaving:
        rows = rows.filter(pa.array(~np.logical_or.reduce(leaving)))
    if not rows.num_rows:
        raise _stopped(report, [NOTHING_LEFT])
    return DataValidation(replace(report, kept_count=rows.num_rows, clipped_count=clipped), rows)


def _stopped(report: ValidationReport, stops: list[str]) -> StopRun:
    found = replace(report, stops=tuple(stops))
    return StopRun(in_words(stops, report.reference.table), outputs={"report": found})


def _exempt(reference: Reference, names: Collection[str]) -> list[str]:
    """The columns of which the contract says that nobody looks whether they move."""
    if reference.contract is None:
        return []
    return [name for name in reference.contract.exempt_columns if name in names]


def _check_places(limits: tuple[ColumnLimit, ...], detector: RowDetector | None) -> None:
    elsewhere = [limit.column for limit in limits if limit.place != "training"]
    problems = [f"the limit of column {column!r} is declared for serving @ limits" for column in elsewhere]
    if detector is not None and detector.place != "training":
        problems.append("it is declared for serving @ detector")
    if problems:
        raise DefinitionError("data validation is about rows for training", problems)
