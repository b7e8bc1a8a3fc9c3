"""How good a model's answers are, as a step found out."""

from __future__ import annotations

from tidewheel.core.records.record import Record


class MeasuredMetric(Record, frozen=True, kw_only=True):
    """One metric.

    Attributes:
        value: None when the rows do not have it, such as ROC AUC of one class.
        low, high: the interval; None when it cannot be told.
        is_loss: whether smaller is better.
    """

    name: str
    value: float | None
    low: float | None = None
    high: float | None = None
    is_loss: bool = False


class SegmentMetric(Record, frozen=True, kw_only=True):
    """The main metric of rows with one value of a column."""

    column: str
    segment: str
    row_count: int
    value: float | None
    low: float | None = None
    high: float | None = None


class WorseSlice(Record, frozen=True, kw_only=True):
    """A group of rows whose answers are worse than those of all rows, beyond chance among all groups looked at.

    Attributes:
        words: the rule, such as `origin = JFK and hour >= 17`.
        share: of all rows, 0..1.
        excess: mean loss above that of all rows: squared error of probabilities, absolute error of numbers.
        probability: that one as bad is found anywhere by chance.
    """

    words: str
    row_count: int
    share: float
    excess: float
    probability: float


class FeatureImportance(Record, frozen=True, kw_only=True):
    """How much a feature matters.

    Attributes:
        permuted: how much worse the main metric becomes when the column is shuffled; the mean over repetitions.
        spread: its standard deviation over them.
        shap: the mean absolute contribution to a row's answer, in the model's own unit; None where its library does not
            tell.
    """

    feature: str
    permuted: float
    spread: float
    shap: float | None = None


class CalibrationBin(Record, frozen=True, kw_only=True):
    """Rows of similar probability: what was said, what was seen, how many."""

    said: float
    seen: float
    row_count: int


class EvaluationReport(Record, frozen=True, kw_only=True):
    """All that an evaluation found.

    Attributes:
        problem: binary, multiclass, regression, quantiles or ranking.
        metric: the main one, by which models are compared.
        confidence: of the intervals, 0..1.
        block_count: independent blocks that they were resampled from.
        metrics: the main one first.
        segments: by declared column.
        slices: the worst ones that were found among `slices_looked_at`.
        importance: the most important first.
        calibration: of a binary problem, by rising probability.
        confusion: rows by true class and decided class, in the order of `classes`.
        residuals: of numbers: quantiles of answer less truth, by level.
        notes: what could not be told, and why.
    """

    problem: str
    metric: str
    row_count: int
    confidence: float
    block_count: int
    metrics: tuple[MeasuredMetric, ...]
    segments: tuple[SegmentMetric, ...] = ()
    slices: tuple[WorseSlice, ...] = ()
    slices_looked_at: int = 0
    importance: tuple[FeatureImportance, ...] = ()
    calibration: tuple[CalibrationBin, ...] = ()
    classes: tuple[str, ...] = ()
    confusion: tuple[tuple[int, ...], ...] = ()
    residuals: dict[str, float] = {}
    notes: tuple[str, ...] = ()
