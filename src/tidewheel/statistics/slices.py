"""Finds groups of rows that a model serves badly, in words, with one error rate for all groups that were looked at.

Every value of a column and every pair of values of two columns is a slice; numbers are cut at their quantiles. Which
are worse than chance explains is decided for all of them together (see `sign_flips`), so looking at ten thousand is no
licence to find something. The search is that of Slice Finder (Chung et al., ICDE 2019) and SliceLine (Sagadeeva and
Boehm, SIGMOD 2021) to the second level; the error control is not: both test slices one by one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations, pairwise
from typing import NamedTuple

import msgspec
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tidewheel.statistics.binary_metrics import Numbers
from tidewheel.statistics.blocks import Blocks
from tidewheel.statistics.sign_flips import worse_than_chance

_EDGES = (0.05, 0.25, 0.5, 0.75, 0.95)
_VALUES = 40
_COLUMNS = 25
"""More columns are not paired: pairs grow with the square."""
_OVERLAP = 0.5


class Slice(msgspec.Struct, frozen=True):
    """A group of rows that is worse.

    Attributes:
        words: the rule, such as `origin = JFK and hour >= 17`.
        row_count: rows in it.
        share: of all rows, 0..1.
        gain: mean over its rows, negative is worse.
        probability: that one as bad is found anywhere by chance.
    """

    words: str
    row_count: int
    share: float
    gain: float
    probability: float


class SliceSearch(NamedTuple):
    """What was found, the worst first, and how many slices were looked at."""

    found: tuple[Slice, ...]
    looked_at: int


class _Column(NamedTuple):
    codes: NDArray[np.intp]
    words: list[str]


class _Candidates(NamedTuple):
    """Slices of one column or pair: the cell of each row, and which cells are large enough."""

    parts: tuple[_Column, ...]
    cells: NDArray[np.intp]
    kept: NDArray[np.intp]


def find_slices(
    rows: pd.DataFrame,
    gain: Numbers,
    blocks: Blocks,
    *,
    limit: float = 0.0,
    level: float = 0.05,
    least_share: float = 0.005,
    most: int = 5,
    flips: int = 1000,
    seed: int = 0,
) -> SliceSearch:
    """The slices whose mean gain lies below `-limit`, more clearly than chance would show among all that there are.

    Args:
        rows: columns of numbers, text, categories, booleans or times; missing values are a value of their own.
        gain: of each row, positive is better: the loss of a reference less that of the model.
        blocks: rows of one block are not independent.
        limit: how much worse is still accepted, in the unit of `gain`.
        level: the probability of finding anything where nothing is wrong.
        least_share: smaller slices are not looked at, 0..1; nor those of fewer than 50 rows or in fewer than 5 blocks.
        most: slices to tell of; one that shares half of its rows with a worse one is left out.
        flips, seed: of the test.

    Example:
        >>> from tidewheel.statistics.blocks import blocks_of
        >>> rows = pd.DataFrame({"port": ["A", "B", "C", "D"] * 500})
        >>> noise = np.random.default_rng(0).normal(size=2000)
        >>> gain = np.where(rows["port"] == "C", -1.0, 0.1) + noise
        >>> [found.words for found in find_slices(rows, gain, blocks_of(None, 2000)).found]
        ['port = C']
    """
    if not len(rows) or not len(rows.columns):
        return SliceSearch((), 0)
    columns = [_encode(str(name), rows[name]) for name in rows.columns]
    least = max(50, int(np.ceil(least_share * len(rows))))
    groups, contributions = [], []
    for candidates in _candidates(columns, least):
        sums, kept = _contributions(candidates, gain + limit, blocks)
        groups.append(candidates._replace(kept=kept))
        contributions.append(sums)
    if not sum(len(one.kept) for one in groups):
        return SliceSearch((), 0)
    together = np.concatenate(contributions, axis=1)
    chances = worse_than_chance(together, flips=flips, seed=seed)
    scale = np.sqrt((together**2).sum(axis=0))
    order = np.lexsort((together.sum(axis=0) / np.where(scale > 0, scale, 1.0), chances))
    starts = np.cumsum([0, *(len(one.kept) for one in groups)])
    found: list[tuple[Slice, NDArray[np.bool_]]] = []
    for at in order:
        if chances[at] > level or len(found) == most:
            break
        group = int(np.searchsorted(starts, at, side="right")) - 1
        cell = int(groups[group].kept[at - starts[group]])
        mask = groups[group].cells == cell
        if any((mask & other).sum() > _OVERLAP * min(mask.sum(), other.sum()) for _, other in found):
            continue
        found.append((_slice(groups[group].parts, cell, mask, gain, float(chances[at])), mask))
    return SliceSearch(tuple(one for one, _ in found), int(starts[-1]))


def _slice(parts: tuple[_Column, ...], cell: int, mask: NDArray[np.bool_], gain: Numbers, probability: float) -> Slice:
    words = []
    for part in reversed(parts):
        cell, code = divmod(cell, len(part.words))
        words.append(part.words[code])
    count = int(mask.sum())
    return Slice(" and ".join(reversed(words)), count, count / len(mask), float(gain[mask].mean()), probability)


def _candidates(columns: Sequence[_Column], least: int) -> Iterator[_Candidates]:
    for column in columns:
        yield _large((column,), column.codes, len(column.words), least)
    for first, second in combinations(columns[:_COLUMNS], 2):
        cells = first.codes * len(second.words) + second.codes
        yield _large((first, second), cells, len(first.words) * len(second.words), least)


def _large(parts: tuple[_Column, ...], cells: NDArray[np.intp], count: int, least: int) -> _Candidates:
    sizes = np.bincount(cells, minlength=count)
    # A slice of nearly all rows is no slice.
    kept = np.flatnonzero((sizes >= least) & (sizes <= 0.9 * len(cells)))
    return _Candidates(parts, cells, kept)


def _contributions(candidates: _Candidates, gain: Numbers, blocks: Blocks) -> tuple[Numbers, NDArray[np.intp]]:
    """Sums of gain by block of each slice that is in enough blocks."""
    count = int(candidates.cells.max()) + 1
    address = candidates.cells * blocks.count + blocks.member
    sums = np.bincount(address, weights=gain, minlength=count * blocks.count).reshape(count, blocks.count)
    sums = sums[candidates.kept]
    is_spread = (sums != 0).sum(axis=1) >= min(5, blocks.count)
    return sums[is_spread].T, candidates.kept[is_spread]


def _encode(name: str, values: pd.Series) -> _Column:
    is_missing = values.isna().to_numpy()
    if pd.api.types.is_bool_dtype(values.dtype) or not (
        pd.api.types.is_numeric_dtype(values.dtype) or pd.api.types.is_datetime64_any_dtype(values.dtype)
    ):
        return _encode_values(name, values.astype(object), is_missing)
    if values.nunique() <= 10:
        return _encode_values(name, values, is_missing)
    is_time = pd.api.types.is_datetime64_any_dtype(values.dtype)
    if is_time:  # of whichever resolution: int64 of another one than nanoseconds would be read as a day of 1970
        values = values.astype(values.dt.as_unit("ns").dtype)
    numbers = values.astype("int64").to_numpy(float) if is_time else values.to_numpy(dtype=float, na_value=np.nan)
    known = numbers[~is_missing & np.isfinite(numbers)]
    edges = np.unique(np.quantile(known, _EDGES)) if len(known) else np.empty(0)
    codes = np.where(is_missing, len(edges) + 1, np.searchsorted(edges, numbers, side="right"))
    shown = [str(pd.Timestamp(int(edge), unit="ns")) if is_time else f"{edge:.6g}" for edge in edges]
    inner = [f"{low} <= {name} < {high}" for low, high in pairwise(shown)]
    words = [f"{name} < {shown[0]}", *inner, f"{name} >= {shown[-1]}"] if shown else [f"{name} is infinite"]
    return _Column(codes, [*words, f"{name} is missing"])


def _encode_values(name: str, values: pd.Series, is_missing: NDArray[np.bool_]) -> _Column:
    """The most frequent values, and all others together."""
    texts = values.astype(str).to_numpy(dtype=object)
    texts[is_missing] = ""
    known, codes, counts = np.unique(texts[~is_missing].astype(str), return_inverse=True, return_counts=True)
    top = np.lexsort((known, -counts))[:_VALUES]
    place = np.full(len(known), len(top))
    place[top] = np.arange(len(top))
    result = np.full(len(texts), len(top) + 1)
    result[~is_missing] = place[codes.reshape(-1)]
    return _Column(result, [*(f"{name} = {known[at]}" for at in top), f"{name} is another", f"{name} is missing"])
