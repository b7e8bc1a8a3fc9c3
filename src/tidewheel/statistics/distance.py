"""How far two distributions are apart, from their sketches alone.

All are symmetric in meaning, not in form: bins and scale come from the reference. None when one side has no value.
"""

from __future__ import annotations

import numpy as np

from tidewheel.statistics.cells import Cells, Floats, merge_cells
from tidewheel.statistics.frequent_values import FrequentValues

FEW = 64
"""Up to so many different values are bins by themselves."""


def kolmogorov_smirnov(reference: Cells, current: Cells) -> float | None:
    """The largest gap between the two distribution functions, 0..1; at most the share of one cell too small.

    Example:
        >>> from tidewheel.statistics.cells import cells_of
        >>> kolmogorov_smirnov(cells_of(np.arange(100.0)), cells_of(np.arange(50.0, 150.0)))
        0.5
    """
    if not reference.total or not current.total:
        return None
    _, first, second = _side_by_side(reference, current)
    gap = np.cumsum(first) / first.sum() - np.cumsum(second) / second.sum()
    return float(np.abs(gap).max())


def wasserstein(reference: Cells, current: Cells) -> float | None:
    """The mean distance by which numbers must move to turn one distribution into the other, in the column's unit.

    Example:
        >>> from tidewheel.statistics.cells import cells_of
        >>> wasserstein(cells_of(np.arange(100.0)), cells_of(np.arange(3.0, 103.0)))
        3.0
    """
    if not reference.total or not current.total:
        return None
    both, first, second = _side_by_side(reference, current)
    gap = np.abs(np.cumsum(first) / first.sum() - np.cumsum(second) / second.sum())
    with np.errstate(over="ignore"):
        moved = float((gap[:-1] * np.diff(both.values)).sum())
    return round(moved, 12) if moved < 1e3 else moved


def number_bins(reference: Cells, current: Cells, number: int = 10) -> tuple[Floats, Floats]:
    """Counts of both in the same bins: single values when there are few, else equal shares of the reference."""
    if reference.is_exact and current.is_exact:
        both, first, second = _side_by_side(reference, current)
        if len(both.keys) <= FEW:
            return first, second
    inner = np.unique(reference.quantiles(np.arange(1, number) / number))
    edges = np.concatenate([[-np.inf], inner, [np.inf]])
    return _binned(reference, edges), _binned(current, edges)


def text_bins(reference: FrequentValues, current: FrequentValues) -> tuple[Floats, Floats]:
    """Counts of both by value: those that are frequent in either, and one bin for all the rest."""
    # What one sketch cut away and the other kept would look like a difference that is none.
    floor = max(reference.error, current.error)
    names = [name for name in {**reference.counts, **current.counts} if _is_known(name, reference, current, floor)]
    names.sort(key=lambda name: (-reference.counts.get(name, 0), name))
    first = np.array([reference.counts.get(name, 0) for name in names], dtype=np.float64)
    second = np.array([current.counts.get(name, 0) for name in names], dtype=np.float64)
    return _with_rest(first, reference.total), _with_rest(second, current.total)


def population_stability_index(reference: Floats, current: Floats) -> float | None:
    """PSI of two histograms on the same bins: below 0.1 little, above 0.25 much has moved. Half a row is added to
    each bin, so that an empty one does not make it infinite.

    Example:
        >>> round(population_stability_index(np.array([50.0, 50.0]), np.array([80.0, 20.0])), 3)
        0.406
    """
    if not reference.sum() or not current.sum():
        return None
    first = (reference + 0.5) / (reference.sum() + 0.5 * len(reference))
    second = (current + 0.5) / (current.sum() + 0.5 * len(current))
    return float(((first - second) * np.log(first / second)).sum())


def jensen_shannon(reference: Floats, current: Floats) -> float | None:
    """The Jensen-Shannon distance of two histograms on the same bins: 0 when equal, 1 when they share no bin.

    Example:
        >>> jensen_shannon(np.array([10.0, 0.0]), np.array([0.0, 3.0]))
        1.0
    """
    if not reference.sum() or not current.sum():
        return None
    first, second = reference / reference.sum(), current / current.sum()
    middle = (first + second) / 2
    divergence = sum(
        float((part[part > 0] * np.log2(part[part > 0] / middle[part > 0])).sum()) / 2 for part in (first, second)
    )
    return float(np.sqrt(max(0.0, min(1.0, divergence))))


def _side_by_side(reference: Cells, current: Cells) -> tuple[Cells, Floats, Floats]:
    """Both counted in the same cells."""
    both = merge_cells([reference, current])
    first, second = np.zeros(len(both.keys)), np.zeros(len(both.keys))
    for cells, counts in ((reference, first), (current, second)):
        alike = cells.coarser(both.shift)
        counts[np.searchsorted(both.keys, alike.keys)] = alike.counts
    return both, first, second


def _binned(cells: Cells, edges: Floats) -> Floats:
    below = cells.counts_below(edges)
    below[0], below[-1] = 0, cells.total
    return np.diff(below)


def _is_known(name: str, reference: FrequentValues, current: FrequentValues, floor: int) -> bool:
    return not floor or reference.counts.get(name, 0) + current.counts.get(name, 0) > 2 * floor


def _with_rest(counts: Floats, total: int) -> Floats:
    return np.append(counts, max(0.0, total - counts.sum()))
