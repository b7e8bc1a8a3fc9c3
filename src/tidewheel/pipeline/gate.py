"""When a model may take over, declared with the pipeline: the business's criteria in a form that can be checked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import msgspec

from tidewheel.core.errors import DefinitionError


class Baseline(msgspec.Struct, frozen=True, kw_only=True):
    """What a model must beat to be worth anything; the constructors below say which.

    Attributes:
        kind: see the constructors.
        column, function, by, delay_s: of those.
        minimum_gain: by how much, in the unit of the gate's metric.
    """

    kind: Literal["constant", "last", "column", "function"] = "constant"
    column: str = ""
    function: str = ""
    by: tuple[str, ...] = ()
    delay_s: float = 0.0
    minimum_gain: float = 0.0

    @classmethod
    def constant(cls, *, minimum_gain: float = 0.0) -> Baseline:
        """The best answer that is the same for all rows, in hindsight."""
        return cls(minimum_gain=minimum_gain)

    @classmethod
    def last(cls, *by: str, delay_s: float = 0.0, minimum_gain: float = 0.0) -> Baseline:
        """What was true last: the newest label of rows with equal values of `by`; the gate needs `time`.

        Labels of the training rows count too, where the step is given them with these columns.

        Args:
            by: columns such as the customer; without one the newest row of all counts.
            delay_s: how long after a row's time its label is known, in seconds.
        """
        return cls(kind="last", by=by, delay_s=delay_s, minimum_gain=minimum_gain)

    @classmethod
    def of_column(cls, column: str, *, minimum_gain: float = 0.0) -> Baseline:
        """A column of the test rows with the answers of a simpler rule."""
        return cls(kind="column", column=column, minimum_gain=minimum_gain)

    @classmethod
    def rule(cls, function: Callable[..., Any], *, minimum_gain: float = 0.0) -> Baseline:
        """A business rule: a function of the test rows (a DataFrame without the label) that gives one answer for each.

        Raises:
            DefinitionError: it is not defined at the top of a module, so a worker cannot import it.

        Example:
            >>> from statistics import mean
            >>> Baseline.rule(mean).function
            'statistics:mean'
        """
        name = getattr(function, "__qualname__", "")
        if not name.isidentifier() or function.__module__ == "__main__":
            raise DefinitionError(
                f"the rule {name or function!r} cannot be imported by a worker",
                (),
                next_step="define it with `def` at the top of one of the project's modules",
            )
        return cls(kind="function", function=f"{function.__module__}:{name}", minimum_gain=minimum_gain)


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """What a package may cost, measured in a fresh process of one thread; None for no limit.

    Attributes:
        latency_p99_ms: of one row, from columns to answers, the slowest of a hundred.
        size_mb: of the package's file.
        memory_mb: peak of the process that has loaded it and answered.
    """

    latency_p99_ms: float | None = None
    size_mb: float | None = None
    memory_mb: float | None = None


class Gate(msgspec.Struct, frozen=True, kw_only=True):
    """The criteria. Every one is a check of the verdict, with its numbers, rows and interval.

    Attributes:
        label: the column with what turned out to be true.
        metric: what models are compared by; by default that of the problem: `roc_auc`, `log_loss` of more than two
            classes, `rmse`, `pinball`, `ndcg`.
        block: the column whose equal values are not independent of each other, such as the day; empty when rows are.
        time: the column with the time that a row is about; it tells overlap with the champion's training.
        key: columns that name a row; they tell rows that are also in training.
        group: the column with the query, which makes the problem a ranking.
        level: makes the problem one of this quantile, 0..1.
        floors: by metric, the least accepted value, of a loss the greatest, of `bias` and `width` how far from 0.
        baseline: what must be beaten.
        minimum_gain: over the champion, in the unit of the metric.
        confidence: of two-sided intervals; a model that is no better passes with half of what is left to 1.
        chance_per_year: how many promotions of models that are no better a year may bring, instead of `confidence`.
        runs_per_year: the cadence; `chance_per_year` is shared out among that many gates.
        segments: columns; no value of one may be worse than the reference (the champion, before the first one the
            baseline) by more than `segment_limit`.
        segment_limit: in the unit of the metric.
        slice_columns: columns among which worse slices are searched for; `*` for the candidate's features.
        slice_limit: in the unit of a row's loss: squared error of probabilities, absolute error of numbers.
        refusals: how often segments and slices together may refuse a model that is nowhere worse, 0..1.
        budget: latency, size and memory.
        environment: the Python of the place where the package will run; by default this one.
        asks_package: whether a fresh process of it opens the package and asks its examples.
        keeps_signature: whether what callers of the champion send must be enough for the candidate.
        unscored_ratio: rows that the champion or the baseline cannot score, 0..1; more of them fail.
        minimum_rows: fewer test rows judge nothing.
        resamples, seed: of the bootstrap.

    Example:
        >>> Gate(chance_per_year=0.5, runs_per_year=50).tail
        0.01
    """

    label: str = "label"
    metric: str = ""
    block: str = ""
    time: str = ""
    key: tuple[str, ...] = ()
    group: str = ""
    level: float | None = None
    floors: dict[str, float] = {}
    baseline: Baseline = Baseline()
    minimum_gain: float = 0.0
    confidence: float = 0.9
    chance_per_year: float | None = None
    runs_per_year: int = 12
    segments: tuple[str, ...] = ()
    segment_limit: float = 0.0
    slice_columns: tuple[str, ...] = ()
    slice_limit: float = 0.0
    refusals: float = 0.05
    budget: Budget = Budget()
    environment: str = ""
    asks_package: bool = True
    keeps_signature: bool = True
    unscored_ratio: float = 0.01
    minimum_rows: int = 200
    resamples: int = 1000
    seed: int = 0

    def __post_init__(self) -> None:
        shares = {"confidence": self.confidence, "refusals": self.refusals}
        wrong = [f"{name} {value} is not between 0 and 1" for name, value in shares.items() if not 0 < value < 1]
        if self.level is not None and not 0 < self.level < 1:
            wrong.append(f"level {self.level} is not between 0 and 1")
        if self.runs_per_year < 1 or self.resamples < 1 or self.minimum_rows < 1:
            wrong.append("runs_per_year, resamples and minimum_rows must be at least 1")
        if self.chance_per_year is not None and not 0 < self.chance_per_year < self.runs_per_year / 2:
            wrong.append(f"chance_per_year {self.chance_per_year} is not between 0 and half of runs_per_year")
        if not 0 <= self.unscored_ratio < 1 or self.segment_limit < 0 or self.slice_limit < 0:
            wrong.append("unscored_ratio, segment_limit and slice_limit must not be negative")
        if self.baseline.kind == "last" and not self.time:
            wrong.append("the last value needs `time`")
        if wrong:
            raise DefinitionError("the gate's criteria are wrong", wrong, next_step="correct Gate(...)")

    @property
    def tail(self) -> float:
        """The probability that one gate lets a model pass that is no better than the champion."""
        if self.chance_per_year is not None:
            return self.chance_per_year / self.runs_per_year
        return (1 - self.confidence) / 2
