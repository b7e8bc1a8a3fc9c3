"""Metrics of rankings: means over queries. Queries without a relevant row say nothing and are left out.

Rows of one query with equal scores have no order, so each metric is its mean over all orders of them, in closed form
(McSherry and Najork, Computing Information Retrieval Performance Measures Efficiently in the Presence of Tied Scores,
ECIR 2008); scikit-learn does so for NDCG, too. A model that says the same of all rows is worth as much as chance.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

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
        ties = _ties(query, scored.said, scored.truth > 0)
        found = _totals(ties.query, _reciprocal_ranks(ties) if name == "mrr" else _precisions(ties), count)
        best = relevant if name == "map" else np.ones(count)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(relevant > 0, found / best, np.nan), first


class _Ties(NamedTuple):
    """Rows by query and falling score, with what is known of the rows that share a score with each.

    Attributes:
        query: the query of each row.
        place: within the query, from 0.
        within: among the rows of the same score, from 0.
        size: rows of the same score.
        hits: relevant ones among them.
        before: relevant rows of the query with a higher score.
    """

    query: NDArray[np.intp]
    place: NDArray[np.intp]
    within: NDArray[np.intp]
    size: NDArray[np.intp]
    hits: Numbers
    before: Numbers


def _ties(query: NDArray[np.intp], score: Numbers, is_relevant: NDArray[np.bool_]) -> _Ties:
    order, place = _places(query, score)
    begins = (place == 0) | (np.diff(score[order], prepend=np.nan) != 0)
    tie, starts = np.cumsum(begins) - 1, np.flatnonzero(begins)
    hits = np.bincount(tie, weights=is_relevant[order], minlength=len(starts))
    above = np.cumsum(hits) - hits  # of all queries that come earlier, too
    first = np.maximum.accumulate(np.where(place == 0, tie, 0))
    within = np.arange(len(order)) - starts[tie]
    return _Ties(query[order], place, within, np.bincount(tie)[tie], hits[tie], (above[tie] - above[first]))


def _precisions(ties: _Ties) -> Numbers:
    """What each place adds to the average precision: the chance that its row is relevant, times the precision if so."""
    others = ties.within * (ties.hits - 1) / np.maximum(ties.size - 1, 1)
    return np.asarray(ties.hits / ties.size * (ties.before + 1 + others) / (ties.place + 1))


def _reciprocal_ranks(ties: _Ties) -> Numbers:
    """What each place adds to the reciprocal rank: the chance that its row is the first relevant one, by the place."""
    from scipy.special import gammaln

    def log_ways(size: Any, hits: Any) -> Any:
        return gammaln(size + 1) - gammaln(hits + 1) - gammaln(size - hits + 1)

    rest = ties.size - ties.within - 1
    is_possible = (ties.before == 0) & (ties.hits > 0) & (rest >= ties.hits - 1)
    hits, rest = np.where(is_possible, ties.hits, 1), np.where(is_possible, rest, 0)
    chance = np.exp(log_ways(rest, hits - 1) - log_ways(np.where(is_possible, ties.size, 1), hits))
    return np.asarray(np.where(is_possible, chance / (ties.place + 1), 0.0))


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
