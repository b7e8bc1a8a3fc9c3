"""Metrics of numbers and of quantiles, as scikit-learn has them where it does; coverage and crossing are our own."""

from __future__ import annotations

import numpy as np

from tidewheel.statistics.binary_metrics import Numbers
from tidewheel.statistics.block_measure import BlockMeasure, SumMeasure, mean_measure
from tidewheel.statistics.blocks import Blocks
from tidewheel.statistics.metric import Metric
from tidewheel.statistics.scored import Scored, pinball


def _rmse(scored: Scored, blocks: Blocks) -> BlockMeasure:
    return mean_measure((scored.truth - scored.said) ** 2, blocks, root=True)


def _mae(scored: Scored, blocks: Blocks) -> BlockMeasure:
    return mean_measure(np.abs(scored.truth - scored.said), blocks)


def _bias(scored: Scored, blocks: Blocks) -> BlockMeasure:
    return mean_measure(scored.said - scored.truth, blocks)


def _r2(scored: Scored, blocks: Blocks) -> BlockMeasure:
    centred = scored.truth - scored.truth.mean()  # so that squares of large numbers keep their digits
    parts = [(scored.truth - scored.said) ** 2, centred, centred**2, np.ones(len(scored))]

    def value(sums: Numbers) -> Numbers:
        spread = sums[:, 2] - sums[:, 1] ** 2 / sums[:, 3]
        return np.where(spread > 0, 1.0 - sums[:, 0] / np.where(spread > 0, spread, 1.0), np.nan)

    return SumMeasure(np.stack([blocks.sums(part) for part in parts], axis=1), value)


def _pinball(scored: Scored, blocks: Blocks) -> BlockMeasure:
    return mean_measure(pinball(scored).mean(axis=1), blocks)


def _coverage_error(scored: Scored, blocks: Blocks) -> BlockMeasure:
    """The largest gap between a level and the share of labels at or below its quantile."""
    below = (scored.truth[:, None] <= scored.said).astype(float)
    totals = np.column_stack([blocks.sums(below), np.bincount(blocks.member, minlength=blocks.count)])
    levels = np.array(scored.levels)
    return SumMeasure(totals, lambda sums: np.abs(sums[:, :-1] / sums[:, -1:] - levels).max(axis=1))


def _crossing(scored: Scored, blocks: Blocks) -> BlockMeasure:
    """The share of rows in which a higher level has a lower quantile."""
    return mean_measure((np.diff(scored.said, axis=1) < 0).any(axis=1).astype(float), blocks)


def _width(scored: Scored, blocks: Blocks) -> BlockMeasure:
    """The mean distance of the outer quantiles; negative where they cross, which is no narrower."""
    return mean_measure(scored.said[:, -1] - scored.said[:, 0], blocks)


REGRESSION = (
    Metric("rmse", is_loss=True, measure=_rmse, least=0.0),
    Metric("mae", is_loss=True, measure=_mae, least=0.0),
    Metric("r2", is_loss=False, measure=_r2, greatest=1.0),
    Metric("bias", is_loss=True, measure=_bias, is_score=False, is_signed=True),
)
QUANTILES = (
    Metric("pinball", is_loss=True, measure=_pinball, least=0.0),
    Metric("coverage_error", is_loss=True, measure=_coverage_error, least=0.0, greatest=1.0),
    Metric("crossing", is_loss=True, measure=_crossing, least=0.0, greatest=1.0),
    Metric("width", is_loss=True, measure=_width, is_score=False, is_signed=True),
)
