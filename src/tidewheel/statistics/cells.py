"""The distribution of numbers in cells whose width follows the data: constant size, merged exactly, any range.

A cell is all numbers that share the upper bits of their 64-bit floating-point form. That form sorts like the numbers
(after turning the negative ones), so dropping its lower bits gives ranges that grow with the distance from zero: near
zero they are fine, far away they are wide, and no range has to be known before. How many bits are dropped is decided
by the data alone: as few as leave at most `LIMIT` cells in use. So

* up to `LIMIT` different numbers are counted one by one, exactly;
* any order of adding and merging gives the same cells, bit for bit: what a part of the data needs dropped, the whole
  needs dropped too.

Error: a quantile lies in the same cell as the exact one, that is within `2 ** (shift - 52)` of its value (about 0.4 %
for numbers over sixteen powers of two, far less for narrow ranges such as this year's times); a share below a limit is
off by at most the share of one cell.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tidewheel.statistics.scratch import scratch

LIMIT = 8192
"""The most cells in use."""

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_MAGNITUDE = np.int64(0x7FFF_FFFF_FFFF_FFFF)
_DENSE = 1 << 19
"""Up to so many possible cells are counted in an array; else a sort finds those in use."""
_BLOCK = 16_384
"""Numbers looked at together: what is in between stays in the processor's cache."""


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """How many numbers lie in each cell in use.

    Args:
        shift: how many lower bits are dropped, 0 when every number has a cell of its own.
        keys: the cells in use, ascending: the upper bits, as `keys_of` gives them.
        counts: how many numbers are in each.

    Example:
        >>> cells = cells_of(np.array([3.0, 1.0, 3.0, -2.0]))
        >>> cells.values.tolist(), cells.counts.tolist()
        ([-2.0, 1.0, 3.0], [1, 1, 2])
        >>> float(cells.quantiles([0.5])[0])
        1.0
    """

    shift: int
    keys: Ints
    counts: Ints

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Cells)
            and self.shift == other.shift
            and np.array_equal(self.keys, other.keys)
            and np.array_equal(self.counts, other.counts)
        )

    def __hash__(self) -> int:
        return hash((self.shift, self.keys.tobytes(), self.counts.tobytes()))

    @property
    def total(self) -> int:
        """Numbers counted."""
        return int(self.counts.sum())

    @property
    def is_exact(self) -> bool:
        """Whether each number has a cell of its own."""
        return self.shift == 0

    @property
    def edges(self) -> tuple[Floats, Floats]:
        """The lowest and highest number of each cell."""
        return self._edges(self.keys)

    @property
    def values(self) -> Floats:
        """A number for each cell: itself when exact, else the middle."""
        low, high = self.edges
        return low + (high - low) / 2

    def quantiles(self, shares: Sequence[float] | Floats) -> Floats:
        """The number below which each share (0..1) of the numbers lies; NaN for all when there are none.

        When exact this is the number with that rank (rounded down), otherwise interpolated within its cell.
        """
        wanted = np.asarray(shares, dtype=np.float64)
        if not len(self.keys):
            return np.full(wanted.shape, np.nan)
        until = np.cumsum(self.counts)
        rank = wanted * (until[-1] - 1)
        index = np.searchsorted(until, np.floor(rank), side="right")
        low, high = self._edges(self.keys[index])
        within = (rank - (until[index] - self.counts[index]) + 0.5) / self.counts[index]
        # Rounding may lead out of the cell when its ends are of different sizes.
        result: Floats = np.clip(low + (high - low) * np.clip(within, 0, 1), low, high)
        return result

    def counts_below(self, limits: Floats) -> Floats:
        """How many numbers are below each limit; a cell that a limit divides counts in proportion."""
        if not len(self.keys):
            return np.zeros(len(limits))
        low, high = self.edges
        before = np.concatenate([[0], np.cumsum(self.counts)])
        index = np.searchsorted(high, limits, side="left")
        inside = np.minimum(index, len(high) - 1)
        width = high[inside] - low[inside]
        with np.errstate(all="ignore"):
            part = np.where(width > 0, (limits - low[inside]) / width, 0.0)
        part = np.where(index < len(high), np.clip(part, 0, 1), 0.0)
        result: Floats = before[index] + part * self.counts[inside]
        return result

    def histogram(self, edges: Floats) -> Floats:
        """How many numbers lie in each bin `[edges[i], edges[i + 1])`, the last bin closed.

        Args:
            edges: ascending.
        """
        limits = np.array(edges, dtype=np.float64)
        if len(limits):
            with np.errstate(over="ignore"):
                limits[-1] = np.nextafter(limits[-1], np.inf)
        return np.diff(self.counts_below(limits))

    def coarser(self, shift: int) -> Cells:
        """The same numbers with more bits dropped."""
        if shift <= self.shift or not len(self.keys):
            return self
        keys = self.keys >> np.int64(shift - self.shift)
        starts = _starts(keys)
        return Cells(shift, keys[starts], np.add.reduceat(self.counts, starts))

    def _edges(self, keys: Ints) -> tuple[Floats, Floats]:
        """Of these cells; the middle is theirs when cells are single numbers."""
        magnitude = np.where(keys < 0, ~keys, keys)
        inner = (magnitude << np.int64(self.shift)).view(np.float64)
        outer_bits = (((magnitude + 1) << np.int64(self.shift)) - 1) if self.shift else magnitude
        outer = np.minimum(outer_bits.view(np.float64), np.finfo(np.float64).max)
        outer = np.where(np.isnan(outer), np.finfo(np.float64).max, outer)
        return np.where(keys < 0, -outer, inner), np.where(keys < 0, -inner, outer)


EMPTY = Cells(0, np.zeros(0, np.int64), np.zeros(0, np.int64))


def cells_of(numbers: Floats, counts: Ints | None = None, *, hint: int = 0) -> Cells:
    """The cells of finite numbers.

    Args:
        numbers: in any order.
        counts: how often each occurs; once by default.
        hint: bits that are known to be dropped in the end, from other data with which this will be merged; saves time.
    """
    if not len(numbers):
        return EMPTY
    if counts is not None:
        return _canonical(*_grouped(hint, keys_of(numbers) >> np.int64(hint), counts))
    shift = hint or _shift_for(keys_of(numbers[: 4 * LIMIT]))
    return _canonical(shift, *_counted(numbers, shift))


def keys_of(numbers: Floats) -> Ints:
    """The bits of numbers, as integers that sort like them. Both zeros are one."""
    return _ordered((numbers + 0.0).view(np.int64))


def _ordered(bits: Ints) -> Ints:
    turned = bits >> np.int64(63)
    turned &= _MAGNITUDE
    turned ^= bits
    return turned


def merge_cells(parts: Sequence[Cells]) -> Cells:
    """The cells of all numbers of the parts: exactly those that one look at all of them would have given."""
    parts = [part for part in parts if len(part.keys)]
    if not parts:
        return EMPTY
    if len(parts) == 1:
        return parts[0]
    shift = max(part.shift for part in parts)
    alike = [part.coarser(shift) for part in parts]
    keys = np.concatenate([part.keys for part in alike])
    counts = np.concatenate([part.counts for part in alike])
    return _canonical(*_grouped(shift, keys, counts))


def _shift_for(keys: Ints) -> int:
    """Bits to drop until these numbers need no more than `LIMIT` cells."""
    return 0 if len(keys) <= LIMIT else _needed(np.sort(keys))


def _needed(ascending: Ints) -> int:
    """As `_shift_for`; neighbours fall into one cell when all bits by which they differ are dropped."""
    lengths = np.bincount(_bit_lengths(ascending[1:] ^ ascending[:-1]), minlength=65)
    # cells[s]: in use when s bits are dropped, one more than the neighbours that still differ.
    cells = 1 + lengths.sum() - np.cumsum(lengths)
    return int(np.argmax(cells <= LIMIT))


def _bit_lengths(differences: Ints) -> Ints:
    words = differences.view(np.uint64)
    high = (words >> np.uint64(32)).astype(np.float64)
    low = (words & np.uint64(0xFFFF_FFFF)).astype(np.float64)
    # frexp's exponent of a whole number is its bit length, exact below 2 ** 53.
    return np.where(high > 0, np.frexp(high)[1] + 32, np.frexp(low)[1]).astype(np.int64)


def _counted(numbers: Floats, shift: int) -> tuple[Ints, Ints]:
    """The cells in use and their counts."""
    magnitudes = _magnitudes(numbers, shift)
    if not numbers.min() < 0:
        return _of_one_sign(magnitudes)
    if numbers.max() < 0:
        return _turned(*_of_one_sign(magnitudes))
    lowest, highest = int(magnitudes.min()), int(magnitudes.max())
    span = highest - lowest + 1
    if span < _DENSE // 2 and lowest:
        # Negative numbers are counted behind the others, so that one look at all is enough.
        bits = span.bit_length()
        for block, part in zip(_blocks(magnitudes), _blocks(numbers.view(np.uint64)), strict=True):
            block -= lowest
            signs = part >> np.uint64(63 - bits)
            signs &= np.uint64(1 << bits)
            block |= signs.view(np.int64)
        found = np.bincount(magnitudes, minlength=1 << bits)
        below, above = _used(found[1 << bits :], lowest), _used(found[: 1 << bits], lowest)
    else:
        below, above = (_of_one_sign(magnitudes[side]) for side in (numbers < 0, numbers >= 0))
    below = _turned(*below)
    return np.concatenate([below[0], above[0]]), np.concatenate([below[1], above[1]])


def _magnitudes(numbers: Floats, shift: int) -> Ints:
    """The cells of the numbers without their signs."""
    magnitudes = scratch(len(numbers), np.uint64)  # processors shift words without a sign several at a time
    for block, part in zip(_blocks(magnitudes), _blocks(numbers.view(np.uint64)), strict=True):
        np.bitwise_and(part, np.uint64(_MAGNITUDE), out=block)
        block >>= np.uint64(shift)
    return magnitudes.view(np.int64)


def _blocks(values: npt.NDArray[Any]) -> Iterator[npt.NDArray[Any]]:
    return (values[start : start + _BLOCK] for start in range(0, len(values), _BLOCK))


def _of_one_sign(keys: Ints) -> tuple[Ints, Ints]:
    """As `_counted`, of cells from 0; zeros lie far from everything else and are counted apart."""
    lowest, highest = int(keys.min()), int(keys.max())
    zeros = 0
    if lowest == 0 < highest:
        others = keys[keys != 0]
        zeros, keys = len(keys) - len(others), others
        lowest = int(keys.min())
    if highest - lowest < _DENSE:
        keys -= lowest
        used, counts = _used(np.bincount(keys), lowest)
    else:
        keys.sort()
        starts = _starts(keys)
        used, counts = keys[starts], np.diff(starts, append=len(keys))
    if zeros:
        used, counts = np.concatenate([[0], used]), np.concatenate([[zeros], counts])
    return used, counts


def _turned(magnitudes: Ints, counts: Ints) -> tuple[Ints, Ints]:
    """The cells of negative numbers."""
    return ~magnitudes[::-1], counts[::-1]


def _used(found: Ints, lowest: int) -> tuple[Ints, Ints]:
    used = np.flatnonzero(found)
    return used + lowest, found[used]


def _grouped(shift: int, keys: Ints, counts: Ints) -> tuple[int, Ints, Ints]:
    if (keys[1:] < keys[:-1]).any():
        order = np.argsort(keys, kind="stable")
        keys, counts = keys[order], counts[order]
    starts = _starts(keys)
    return shift, keys[starts], np.add.reduceat(counts, starts)


def _starts(ascending: Ints) -> Ints:
    return np.flatnonzero(np.concatenate([[True], ascending[1:] != ascending[:-1]]))


def _canonical(shift: int, keys: Ints, counts: Ints) -> Cells:
    cells = Cells(shift, keys, counts.astype(np.int64, copy=False))
    return cells if len(keys) <= LIMIT else cells.coarser(shift + _needed(keys))
