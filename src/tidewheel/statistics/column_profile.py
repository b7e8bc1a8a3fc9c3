"""What was observed of one column: counts and sketches that do not grow with the rows, and merge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from tidewheel.core.errors import SchemaMismatchError
from tidewheel.statistics import cells as _cells
from tidewheel.statistics import distinct_values as _distinct
from tidewheel.statistics.cells import Cells, merge_cells
from tidewheel.statistics.distinct_values import DistinctValues, merge_distinct
from tidewheel.statistics.frequent_values import FrequentValues, merge_frequent
from tidewheel.statistics.moments import Moments, merge_moments

Kind = Literal["number", "boolean", "time", "text", "binary", "nested", "empty"]
"""How a column is looked at. Durations are numbers, of seconds; times are numbers of microseconds since 1970 (of the
day, for a time of day); nested columns are only counted, lists also measured."""

HOURS = 168
"""Hours of a week, from Monday 0:00 UTC."""


@dataclass(frozen=True, slots=True)
class ColumnProfile:
    """One column of a table, as observed.

    Args:
        name, type, allows_null: as in the Arrow schema.
        kind: how it was looked at.
        row_count: all rows.
        null_count: rows without a value.
        nan_count: floating-point values that are no number; they are not nulls.
        infinite_counts: rows with minus infinity, and with plus infinity.
        empty_count: empty texts, binaries and lists.
        minimum, maximum: smallest and largest finite number or time; exact for integers of 64 bits.
        moments: mean and variance of the finite numbers.
        cells: the distribution of the finite numbers; of 0 and 1 for booleans; of the lengths of texts (characters),
            binaries (bytes) and lists (items).
        distinct: different values, NaN and infinities included; of nested columns none.
        frequent: the most frequent texts.
        hours: of times: rows by hour of the week.
    """

    name: str
    type: str
    kind: Kind
    allows_null: bool = True
    row_count: int = 0
    null_count: int = 0
    nan_count: int = 0
    infinite_counts: tuple[int, int] = (0, 0)
    empty_count: int = 0
    minimum: int | float | None = None
    maximum: int | float | None = None
    moments: Moments = field(default_factory=Moments)
    cells: Cells = _cells.EMPTY
    distinct: DistinctValues = _distinct.EMPTY
    frequent: FrequentValues = field(default_factory=FrequentValues)
    hours: tuple[int, ...] = ()

    @property
    def value_count(self) -> int:
        """Rows with a value, NaN included."""
        return self.row_count - self.null_count

    @property
    def missing_count(self) -> int:
        """Rows from which nothing can be learned: null or NaN."""
        return self.null_count + self.nan_count

    @property
    def missing_share(self) -> float:
        """Of all rows, 0 to 1; 0 when there is no row."""
        return self.missing_count / self.row_count if self.row_count else 0.0

    @property
    def is_ordered(self) -> bool:
        """Whether `cells` are the values themselves."""
        return self.kind in ("number", "boolean", "time")

    @property
    def distinct_count(self) -> int:
        """Different values; an estimate beyond 2,048, or beyond 8,192 for numbers up to 2 ** 53."""
        if self.kind in ("number", "time") and self.cells.is_exact and self._floats_are_exact:
            others = (self.nan_count > 0) + (self.infinite_counts[0] > 0) + (self.infinite_counts[1] > 0)
            return len(self.cells.keys) + others
        return min(self.distinct.count, self.value_count)

    @property
    def is_distinct_exact(self) -> bool:
        """Whether `distinct_count` is no estimate."""
        exact_cells = self.kind in ("number", "time") and self.cells.is_exact and self._floats_are_exact
        return exact_cells or self.distinct.is_exact

    @property
    def is_constant(self) -> bool:
        """Whether all rows that have a value have the same one."""
        return self.value_count > 0 and self.is_distinct_exact and self.distinct_count == 1

    def value_counts(self, number: int | None = None) -> list[tuple[Any, int]] | None:
        """Values with their counts, the most frequent first; None when single values were not counted.

        Of texts the counts are at most `frequent.error` too low.
        """
        if self.kind == "text":
            return list(self.frequent.top(number))
        if not self.is_ordered or not self.cells.is_exact:
            return None
        values, counts = self.cells.values.tolist(), self.cells.counts.tolist()
        pairs = sorted(zip(values, counts, strict=True), key=lambda pair: (-pair[1], pair[0]))
        if self.kind == "boolean":
            return [(bool(value), count) for value, count in pairs[:number]]
        is_whole = isinstance(self.minimum, int)
        return [(int(value) if is_whole else value, count) for value, count in pairs[:number]]

    @property
    def _floats_are_exact(self) -> bool:
        return all(abs(limit) <= 2**53 for limit in (self.minimum, self.maximum) if isinstance(limit, int))


def merge_columns(parts: Sequence[ColumnProfile]) -> ColumnProfile:
    """The profile of all rows of the parts, in their order.

    All but the moments is exactly what one look at all rows gives, up to the stated error of `frequent`.

    Raises:
        SchemaMismatchError: the parts are of different columns.
    """
    first = parts[0]
    for part in parts:
        if (part.name, part.type, part.kind) != (first.name, first.type, first.kind):
            raise SchemaMismatchError(
                f"column {first.name!r} of type {first.type} cannot be merged with {part.name!r} of type {part.type}",
                next_step="merge profiles of the same schema; compare others with `compare_profiles`",
            )
    if len(parts) == 1:
        return first
    minima = [part.minimum for part in parts if part.minimum is not None]
    maxima = [part.maximum for part in parts if part.maximum is not None]
    return ColumnProfile(
        name=first.name,
        type=first.type,
        kind=first.kind,
        allows_null=any(part.allows_null for part in parts),
        row_count=sum(part.row_count for part in parts),
        null_count=sum(part.null_count for part in parts),
        nan_count=sum(part.nan_count for part in parts),
        infinite_counts=(
            sum(part.infinite_counts[0] for part in parts),
            sum(part.infinite_counts[1] for part in parts),
        ),
        empty_count=sum(part.empty_count for part in parts),
        minimum=min(minima, default=None),
        maximum=max(maxima, default=None),
        moments=merge_moments([part.moments for part in parts]),
        cells=merge_cells([part.cells for part in parts]),
        distinct=merge_distinct([part.distinct for part in parts]),
        frequent=merge_frequent([part.frequent for part in parts]),
        hours=tuple(map(sum, zip(*(part.hours for part in parts if part.hours), strict=True))),
    )
