"""The most frequent texts (Misra and Gries 1982, merged as by Agarwal et al. 2012)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

LIMIT = 4096
"""Values kept. A count is too low by at most the share 1 / (LIMIT + 1) of all rows; up to LIMIT values are exact."""

LONGEST = 200
"""Characters kept of a value; a longer one is kept as its beginning and a hash of the whole."""


@dataclass(frozen=True, slots=True)
class FrequentValues:
    """Counts of the most frequent values.

    Args:
        counts: at most `LIMIT` values, each with a count that is at most `error` too low.
        error: 0 when all values are here with their exact counts.
        total: rows counted.

    Example:
        >>> found = frequent_of({"UA": 3, "AA": 1})
        >>> found.top(1), found.error
        ([('UA', 3)], 0)
    """

    counts: Mapping[str, int] = field(default_factory=dict)
    error: int = 0
    total: int = 0

    @property
    def is_exact(self) -> bool:
        """Whether all values are here with their exact counts."""
        return self.error == 0

    def top(self, number: int | None = None) -> list[tuple[str, int]]:
        """The most frequent values with their counts; ties by value."""
        return sorted(self.counts.items(), key=lambda item: (-item[1], item[0]))[:number]


EMPTY = FrequentValues()


def frequent_of(counts: Mapping[str, int]) -> FrequentValues:
    """Of exact counts."""
    return _cut({shortened(value): 0 for value in counts}, counts.items(), 0, sum(counts.values()))


def merge_frequent(parts: Sequence[FrequentValues]) -> FrequentValues:
    """Of all rows of the parts; errors add up, and stay below the stated share of all rows."""
    merged = EMPTY
    for part in parts:
        if not merged.total:
            merged = part
        elif part.total:
            merged = _cut(
                dict(merged.counts), part.counts.items(), merged.error + part.error, merged.total + part.total
            )
    return merged


def shortened(value: str) -> str:
    """The value, or for a long one its beginning and a hash.

    Example:
        >>> shortened("short"), len(shortened("x" * 10_000))
        ('short', 218)
    """
    if len(value) <= LONGEST:
        return value
    digest = hashlib.blake2b(value.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
    return f"{value[:LONGEST]}… {digest}"


def _cut(into: dict[str, int], items: Iterable[tuple[str, int]], error: int, total: int) -> FrequentValues:
    """Adds, then takes the count of the first value too many from all, so that at most LIMIT are left."""
    for value, count in items:
        name = shortened(value)
        into[name] = into.get(name, 0) + count
    if len(into) <= LIMIT:
        return FrequentValues(into, error, total)
    less = sorted(into.values(), reverse=True)[LIMIT]
    return FrequentValues({value: count - less for value, count in into.items() if count > less}, error + less, total)
