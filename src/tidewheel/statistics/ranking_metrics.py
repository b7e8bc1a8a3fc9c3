"""Metrics of rankings: means over queries. Queries without a relevant row say nothing and are left out.

Rows of one query with equal scores share the discount of their places for NDCG, as in scikit-learn. For the other two
they stay in the order in which they are given, so hand them over in none that helps.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidewheel.statistics.binary_metrics import Numbers
from tidewheel.statistics.block_measure import BlockMeasure, SumMeasure
from tidewheel.statistics.blocks import Blocks
from tidewheel.statistics.metric import Metric
from tidewheel.statistics.scored import Scored


def query_values(name: str, scored: Scored) -> tuple[Numbers, NDArray[np.intp]]:
    """A metric of each query, and the first row of each.

    Args:
        name: `ndcg` and `ndcg_10` (Jaervelin and Kekaelaeinen, 2002; gain is the relevance itself, as in scikit-learn),
            `mrr` (one over the place of the first relevant row), `map` (mean average precision).

    Example:
        >>> found = Scored("ranking", np.array([0.0, 1.0, 1.0]), np.array([0.9, 0.5, 0.1]), groups=np.array([7, 7, 8]))
        >>> query_values("mrr", found)[0].tolist()
        [0.5, 1.0]
    """
    assert scored.groups is not None
    _, first, query = np.unique(scored.groups, return_index=True, return_inverse=True)
    query, count = query.reshape(-1), len(first)
    relevant = _totals(query, scored.truth > 0, count)
    if name.startswith("ndcg"):
        depth = 10 if name.endswith("_10") else len(scored)
        best = _discounted(query, scored.truth, scored.truth, count, depth)
        found = _discounted(query, scored.said, scored.truth, count, depth)
    else:
        order, place = _places(query, scored.said)
        hits = (scored.truth > 0)[order].astype(float)
        so_far = np.cumsum(hits)
        before = np.r_[0.0, so_far][np.flatnonzero(place == 0)]
        nth = so_far - before[query[order]]
        if name == "mrr":
            hits = hits * (nth == 1)
            nth = np.ones_like(nth)
        found = _totals(query[order], hits * nth / (place + 1), count)
        best = relevant if name == "map" else np.ones(count)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(relevant > 0, found / best, np.nan), first


def _discounted(query: NDArray[np.intp], by: Numbers, gain: Numbers, count: int, depth: int) -> Numbers:
    order, place = _places(query, by)
    weight = np.where(place < depth, 1.0 / np.log2(place + 2.0), 0.0)
    tie = np.cumsum((place == 0) | (np.diff(by[order], prepend=np.nan) != 0)) - 1
    shared = _totals(tie, weight, 0) / np.bincount(tie)
    return _totals(query[order], gain[order] * shared[tie], count)


def _totals(query: NDArray[np.intp], numbers: NDArray[Any], count: int) -> Numbers:
    return np.bincount(query, weights=numbers, minlength=count).astype(np.float64)


def _places(query: NDArray[np.intp], score: Numbers) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows by query and falling score, and the place of each within its query, from 0."""
    order = np.lexsort((-score, query))
    starts = np.searchsorted(query[order], query[order])
    return order, np.arange(len(order)) - starts


def _measure(scored: Scored, blocks: Blocks, *, name: str) -> BlockMeasure:
    values, first = query_values(name, scored)
    is_known = np.isfinite(values)
    by_query = Blocks(blocks.member[first[is_known]], blocks.count)
    totals = np.stack([by_query.sums(values[is_known]), by_query.sums(np.ones(int(is_known.sum())))], axis=1)
    return SumMeasure(totals, lambda sums: sums[:, 0] / sums[:, 1])


RANKING = tuple(
    Metric(name, is_loss=False, measure=partial(_measure, name=name), least=0.0, greatest=1.0)
    for name in ("ndcg", "ndcg_10", "mrr", "map")
)
