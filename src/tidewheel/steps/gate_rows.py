"""What all checks of one gate share: the test rows, the candidate's answers, and the resamples."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tidewheel.core.records import Check
from tidewheel.pipeline.gate import Gate
from tidewheel.statistics.binary_metrics import Numbers
from tidewheel.statistics.blocks import Blocks, blocks_of, draw_blocks
from tidewheel.statistics.gain import gain_measure, measured_interval
from tidewheel.statistics.metric import Metric
from tidewheel.statistics.scored import Scored

SHOWN = {"roc_auc": "AUC", "rmse": "RMSE", "mae": "MAE", "ndcg": "NDCG", "r2": "R2"}


@dataclass(frozen=True)
class GateRows:
    """Test rows under judgement.

    Attributes:
        gate: the criteria.
        frame: the rows.
        ours: the candidate's answers.
        metric: by which models are compared.
        blocks: rows that are not independent.
        draws: of the blocks; the same for every check, so that what they share cancels.
    """

    gate: Gate
    frame: pd.DataFrame
    ours: Scored
    metric: Metric
    blocks: Blocks
    draws: Numbers

    @classmethod
    def of(cls, gate: Gate, frame: pd.DataFrame, ours: Scored, metric: Metric) -> GateRows:
        """Rows with their blocks: those that are declared, else queries, else each row for itself."""
        values = frame[gate.block].astype(str).to_numpy() if gate.block else ours.groups
        blocks = blocks_of(values, len(frame), seed=gate.seed)
        return cls(gate, frame, ours, metric, blocks, draw_blocks(blocks.count, gate.resamples, gate.seed))

    def only(self, rows: NDArray[np.bool_]) -> GateRows:
        """Some of the rows, with new draws when a block is gone."""
        if rows.all():
            return self
        return GateRows.of(self.gate, self.frame[rows], self.ours.of(rows), self.metric)

    @property
    def shown(self) -> str:
        """The metric as messages call it."""
        return SHOWN.get(self.metric.name, self.metric.name)

    def scored_by(self, name: str, reference: str, unscored: int) -> Check:
        """Whether a reference answers enough of these rows to be held against them."""
        count, limit = len(self.ours), self.gate.unscored_ratio
        passed = unscored <= limit * count
        return Check(
            name=name,
            passed=passed,
            metric="unscored_ratio",
            value=unscored / count,
            reference=limit,
            row_count=count,
            message=f"{reference} cannot score {unscored:,} of {count:,} rows"
            + ("" if passed else f", more than {100 * limit:.3g}% of them"),
        )

    def better_than(self, name: str, reference: str, theirs: Scored, *, needed: float) -> Check:
        """Whether the candidate gains more than `needed` over a reference on the same rows, beyond chance."""
        forms = [self.metric.measure(one, self.blocks) for one in (self.ours, theirs)]
        found = measured_interval(gain_measure(*forms, is_loss=self.metric.is_loss), self.draws, tail=self.gate.tail)
        own, other = (
            self.metric.value_of(form, one, self.blocks) for form, one in zip(forms, (self.ours, theirs), strict=True)
        )
        is_known = not math.isnan(found.low)
        passed = is_known and found.low > needed
        share = 1 - 2 * self.gate.tail
        interval = f"{100 * share:.4g}% interval {found.low:+.4f} to {found.high:+.4f}"
        if not is_known:
            interval = f"no interval from {found.blocks} block" + ("s" if found.blocks != 1 else "")
        return Check(
            name=name,
            passed=passed,
            metric=self.metric.name,
            value=known(own),
            reference=known(other),
            difference=known(found.estimate),
            low=known(found.low),
            high=known(found.high),
            row_count=len(self.ours),
            message=f"{self.shown} {own:.4f} against {other:.4f} of {reference} on {len(self.ours):,} rows: "
            f"gain {found.estimate:+.4f}, {interval}" + ("" if passed else f"; needed more than {needed:+.4f}"),
        )


def known(number: float) -> float | None:
    """A number as a record keeps it: None for what is none.

    Example:
        >>> known(float("nan")) is None
        True
    """
    return number if math.isfinite(number) else None
