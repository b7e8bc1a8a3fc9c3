"""A metric by its name: which way is better, its number, and its form for resampling."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tidewheel.statistics.binary_metrics import Numbers
from tidewheel.statistics.block_bootstrap import Interval
from tidewheel.statistics.block_measure import BlockMeasure
from tidewheel.statistics.blocks import Blocks
from tidewheel.statistics.gain import measured_interval
from tidewheel.statistics.scored import Scored


@dataclass(frozen=True, slots=True)
class Metric:
    """How good answers are, as one number.

    Attributes:
        name: such as `roc_auc`.
        is_loss: whether smaller is better.
        measure: its form for resampling.
        exact: the number itself where the form for resampling only comes near to it; None where that is exact.
        is_signed: whether it lies on both sides of zero, which is best, such as a mean error.
        is_score: False for what tells something but orders no models, such as a mean error.
        least, greatest: numbers beyond which it cannot lie.
    """

    name: str
    is_loss: bool
    measure: Callable[[Scored, Blocks], BlockMeasure]
    exact: Callable[[Scored], float] | None = None
    is_score: bool = True
    is_signed: bool = False
    least: float = -math.inf
    greatest: float = math.inf

    def badness(self, value: float) -> float:
        """A number that rises as the metric becomes worse, whichever way is better."""
        return abs(value) if self.is_signed else value if self.is_loss else -value

    def interval(self, measure: BlockMeasure, draws: Numbers, *, tail: float = 0.05) -> Interval:
        """The number with its interval, which ends where the metric does; see `gain.measured_interval`."""
        found = measured_interval(measure, draws, tail=tail)
        low, high = np.clip([found.low, found.high], self.least, self.greatest)
        return Interval(found.estimate, float(low), float(high), found.blocks)

    def value(self, scored: Scored) -> float:
        """The number; NaN where there is none, such as ROC AUC of rows of one class."""
        if not len(scored):
            return float("nan")
        one = Blocks(np.zeros(len(scored), dtype=np.intp), 1)
        return self.value_of(self.measure(scored, one) if self.exact is None else None, scored, one)

    def value_of(self, measure: BlockMeasure | None, scored: Scored, blocks: Blocks) -> float:
        """The number where its form for these rows is there already."""
        if self.exact is not None or measure is None:
            return self.exact(scored) if self.exact is not None and len(scored) else float("nan")
        return float(measure(np.ones((1, blocks.count)))[0])
