"""How many different values there are: the smallest hashes of them (Bar-Yossef et al. 2002; Beyer et al. 2007)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tidewheel.statistics.hashing import Hashes, hash_words, hash_words_below

LIMIT = 2048
"""Hashes kept. The relative standard error of an estimate is 1 / sqrt(LIMIT - 2), 2.2 %; fewer values are exact."""

_BLOCK = 16_384


@dataclass(frozen=True, slots=True, eq=False)
class DistinctValues:
    """The `LIMIT` smallest hashes of the values seen, each once.

    Adding and merging in any order gives the same.

    Args:
        hashes: ascending.

    Example:
        >>> from tidewheel.statistics.hashing import hash_words
        >>> values = np.arange(1000, dtype=np.uint64) % np.uint64(250)
        >>> distinct_of(hash_words(values)).count
        250
    """

    hashes: Hashes

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DistinctValues) and np.array_equal(self.hashes, other.hashes)

    def __hash__(self) -> int:
        return hash(self.hashes.tobytes())

    @property
    def is_exact(self) -> bool:
        """Whether all values are here."""
        return len(self.hashes) < LIMIT

    @property
    def count(self) -> int:
        """How many different values there are, estimated when there are `LIMIT` or more."""
        if self.is_exact:
            return len(self.hashes)
        return round((LIMIT - 1) * 2.0**64 / float(self.hashes[-1]))

    @property
    def limit(self) -> int:
        """Only hashes below it can still change this."""
        return 2**64 if self.is_exact else int(self.hashes[-1])


EMPTY = DistinctValues(np.zeros(0, np.uint64))


def distinct_of(hashes: Hashes, *, limit: int = 2**64) -> DistinctValues:
    """The smallest of these hashes.

    Args:
        hashes: one for each value, repeated or not.
        limit: of other values with which this will be merged; larger hashes are left out, which saves time.
    """
    if limit < 2**64:
        hashes = hashes[hashes < np.uint64(limit)]
    if len(hashes) > 16 * LIMIT:
        # Mostly different values: twice the limit of the smallest holds enough; else all are looked at.
        smallest = _different(np.partition(hashes, 2 * LIMIT)[: 2 * LIMIT])
        if len(smallest) >= LIMIT:
            return DistinctValues(smallest[:LIMIT])
    return DistinctValues(_different(hashes)[:LIMIT])


def distinct_of_words(words: Hashes, *, limit: int = 2**64) -> DistinctValues:
    """The smallest hashes of these words, block by block: a block stays in the processor's cache.

    Args:
        words: one for each value.
        limit: as of `distinct_of`.
    """
    kept = []
    for start in range(0, len(words), _BLOCK):
        block = words[start : start + _BLOCK]
        kept.append(hash_words(block) if limit == 2**64 else hash_words_below(limit, block))
    return distinct_of(np.concatenate(kept)) if kept else EMPTY


def merge_distinct(parts: Sequence[DistinctValues]) -> DistinctValues:
    """The smallest hashes of all parts."""
    if not parts:
        return EMPTY
    return parts[0] if len(parts) == 1 else distinct_of(np.concatenate([part.hashes for part in parts]))


def _different(hashes: Hashes) -> Hashes:
    """Each once, ascending; sorting is several times faster here than `numpy.unique`, which hashes."""
    ascending = np.sort(hashes)
    is_new = np.concatenate([[True], ascending[1:] != ascending[:-1]])[: len(hashes)]
    different: Hashes = ascending[is_new]
    return different
