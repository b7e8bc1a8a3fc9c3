"""Rows in blocks that are independent of each other, such as days, and how often each block counts in a resample."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidewheel.core.errors import ParameterError
from tidewheel.statistics.binary_metrics import Numbers

MOST = 200
"""More blocks are put together: unions of independent blocks are independent, and 200 of them lose next to nothing."""


class Blocks:
    """Which block each row lies in.

    Attributes:
        member: the number of each row's block, 0 to `count` - 1.
        count: of blocks.
    """

    def __init__(self, member: NDArray[np.intp], count: int) -> None:
        self.member = member
        self.count = count

    def of(self, rows: NDArray[Any]) -> Blocks:
        """The same blocks for some of the rows, given by mask or position."""
        return Blocks(self.member[rows], self.count)

    def sums(self, numbers: Numbers) -> Numbers:
        """Totals by block: [rows] gives [blocks], [rows, columns] gives [blocks, columns]."""
        if numbers.ndim == 1:
            return np.bincount(self.member, weights=numbers, minlength=self.count).astype(np.float64)
        return np.stack([self.sums(column) for column in numbers.T], axis=1)


def blocks_of(values: Any, rows: int, *, most: int = MOST, seed: int = 0) -> Blocks:
    """The blocks of rows.

    Args:
        values: one per row, equal within a block; None when each row stands for itself.
        rows: how many there are.
        most: blocks beyond this number are put together at random.
        seed: of that.

    Raises:
        ParameterError: not one value per row.

    Example:
        >>> blocks_of(["mon", "mon", "tue"], 3).member.tolist()
        [0, 0, 1]
        >>> blocks_of(None, 2000).count
        200
    """
    if values is None:
        member, count = np.arange(rows), rows
    else:
        names, member = np.unique(np.asarray(values), return_inverse=True)
        count = len(names)
    if len(member) != rows:
        raise ParameterError(f"{len(member)} blocks for {rows} rows", next_step="give one block per row")
    if count > most:
        merged = np.random.default_rng(seed).permutation(count) % most
        member, count = merged[member], most
    return Blocks(member.reshape(-1), count)


def draw_blocks(count: int, resamples: int, seed: int) -> Numbers:
    """How often each block counts in each resample, drawn with replacement.

    Returns:
        [resamples, count]; each row sums to `count`.

    Example:
        >>> draw_blocks(3, 2, seed=0).sum(axis=1).tolist()
        [3.0, 3.0]
    """
    if resamples < 1:
        raise ParameterError(f"resamples {resamples} must be at least 1")
    generator = np.random.default_rng(seed)
    return generator.multinomial(count, np.full(count, 1 / count), size=resamples).astype(np.float64)
