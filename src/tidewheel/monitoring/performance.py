"""Predictive performance on predictions whose truth has become known. Paper: "performance monitoring"."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from tidewheel.core.clock import utc_now
from tidewheel.core.identifier import new_id
from tidewheel.core.records import Evidence, ModelVersion, Signal
from tidewheel.core.records.record import Record
from tidewheel.monitoring.period import Period, last_complete
from tidewheel.statistics import auc_interval, average_precision, brier_score, calibration_error, log_loss


class LabelledRows(msgspec.Struct, frozen=True):
    """Answered rows of one version in one window, with the truth.

    Attributes:
        labels: 0 or 1.
        scores: said probabilities.
        days: the day of each prediction; rows of one day are drawn together.
        asked: how many predictions the window has, labelled or not.
        evidence: the snapshots that they were read from.
    """

    labels: NDArray[np.float64]
    scores: NDArray[np.float64]
    days: NDArray[Any]
    asked: int
    evidence: tuple[Evidence, ...] = ()


class PerformanceMonitor(Record, frozen=True, kw_only=True, tag="performance"):
    """Looks once at each calendar window of a binary model's labelled predictions.

    It raises an alarm when ROC AUC has certainly fallen by more than `maximum_drop` (the upper end of its interval is
    below the version's own test result less the drop), or when probabilities have come loose from shares
    (`maximum_miscalibration`).

    Attributes:
        name: unique among a model's monitors.
        period: the windows.
        reference: the version's metric that it is held against.
        maximum_drop: of ROC AUC.
        maximum_miscalibration: expected calibration error, 0..1.
        minimum_rows: labelled rows that it needs to look at all.
        minimum_labelled: the share of predictions that must have a label, 0..1, lest early labels mislead.
        confidence: of the interval, 0..1.
    """

    name: str = "performance"
    period: Period = "month"
    reference: str = "roc_auc"
    maximum_drop: float = 0.01
    maximum_miscalibration: float = 0.05
    minimum_rows: int = 500
    minimum_labelled: float = 0.5
    confidence: float = 0.9

    def window(self, now: datetime) -> tuple[datetime, datetime]:
        """The window that it looks at when asked at `now`."""
        return last_complete(self.period, now)

    def key(self, version: ModelVersion, window_start: datetime) -> str:
        """Names the look: one model version, one window, one signal."""
        return f"{self.name}/{version.model}/v{version.version}/{window_start.date()}"

    def look(self, version: ModelVersion, rows: LabelledRows, now: datetime) -> Signal | None:
        """What the window says; None when there are too few labels yet to say anything."""
        count = len(rows.labels)
        is_enough = count >= self.minimum_rows and count >= self.minimum_labelled * rows.asked
        if not is_enough or len(np.unique(rows.labels)) < 2:
            return None
        auc = auc_interval(rows.labels, rows.scores, rows.days, confidence=self.confidence, resamples=300)
        numbers = {
            "roc_auc": auc.estimate,
            "roc_auc_low": auc.low,
            "roc_auc_high": auc.high,
            "average_precision": average_precision(rows.labels, rows.scores),
            "log_loss": log_loss(rows.labels, rows.scores),
            "brier_score": brier_score(rows.labels, rows.scores),
            "calibration_error": calibration_error(rows.labels, rows.scores),
            "share_positive": float(rows.labels.mean()),
            "mean_score": float(rows.scores.mean()),
            "labelled_rows": count,
            "asked_rows": rows.asked,
        }
        return self._signal(version, numbers, rows.evidence, now)

    def _signal(
        self, version: ModelVersion, numbers: dict[str, Any], evidence: tuple[Evidence, ...], now: datetime
    ) -> Signal:
        start, end = self.window(now)
        reference = version.metrics.get(self.reference)
        limit = None if reference is None else reference - self.maximum_drop
        has_fallen = limit is not None and numbers["roc_auc_high"] < limit
        is_loose = numbers["calibration_error"] > self.maximum_miscalibration
        said = [f"AUC {numbers['roc_auc']:.4f} on {numbers['labelled_rows']:,} labelled rows"]
        if reference is not None:
            said.append(f"tested at {reference:.4f}" + (", certainly lower" if has_fallen else ""))
        said.append(
            f"said {numbers['mean_score']:.1%}, came {numbers['share_positive']:.1%}"
            + (f", calibration error {numbers['calibration_error']:.3f} is too large" if is_loose else "")
        )
        return Signal(
            id=new_id(),
            key=self.key(version, start),
            monitor=self.name,
            kind="performance",
            model=version.model,
            version=version.version,
            window_start=start,
            window_end=end,
            is_alarm=has_fallen or is_loose,
            value=numbers["roc_auc"],
            threshold=limit,
            numbers=numbers,
            evidence=evidence,
            message="; ".join(said),
            at=now,
            recorded_at=utc_now(),
        )
