"""What a table was observed to look like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

from tidewheel.core.errors import NotFoundError, ParameterError, SchemaMismatchError
from tidewheel.statistics.column_profile import ColumnProfile, merge_columns
from tidewheel.statistics.profile_form import read_columns, write_columns
from tidewheel.statistics.profile_summary import summarize_column


@dataclass(frozen=True, slots=True)
class Profile:
    """A schema and what was observed of each column, in a size that does not depend on the number of rows.

    A column takes some 20 to 150 kB, one of long texts up to a megabyte. `merge_profiles` of the parts of a table gives
    the profile of the table: exactly, except moments (1e-9) and the counts of frequent texts (see `FrequentValues`).

    Args:
        columns: in the order of the table.
        row_count: rows looked at.

    Example:
        >>> import pyarrow
        >>> from tidewheel.statistics.profile_pass import profile_table
        >>> profile = profile_table(pyarrow.table({"carrier": ["UA", "AA", "UA", None], "delay": [2, -11, 40, 5]}))
        >>> profile
        <profile of 4 rows, 2 columns>
        >>> profile.column("carrier").frequent.top(), profile.column("carrier").null_count
        ([('UA', 2), ('AA', 1)], 1)
        >>> profile.column("delay").cells.quantiles([0, 0.5, 1]).tolist()
        [-11.0, 2.0, 40.0]
    """

    columns: tuple[ColumnProfile, ...]
    row_count: int

    def __post_init__(self) -> None:
        names = [column.name for column in self.columns]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise SchemaMismatchError(f"two columns are named {twice!r}", next_step="rename one of them")

    def __repr__(self) -> str:
        return f"<profile of {self.row_count:,} rows, {len(self.columns)} columns>"

    @property
    def schema(self) -> tuple[tuple[str, str], ...]:
        """Names and Arrow's types of the columns."""
        return tuple((column.name, column.type) for column in self.columns)

    def column(self, name: str) -> ColumnProfile:
        """One column.

        Raises:
            NotFoundError: the table has no such column.
        """
        for column in self.columns:
            if column.name == name:
                return column
        raise NotFoundError("column", name, known=[column.name for column in self.columns])

    def to_bytes(self) -> bytes:
        """The profile in few bytes; equal profiles give equal bytes."""
        return write_columns(self.row_count, self.columns)

    @classmethod
    def from_bytes(cls, data: bytes) -> Profile:
        """Reads what `to_bytes` wrote.

        Raises:
            UnreadableFileError: it is something else.
        """
        row_count, columns = read_columns(data)
        return cls(columns, row_count)

    def summary(self) -> dict[str, Any]:
        """The profile for people and programs: JSON types, without the sketches. Times are ISO texts in UTC."""
        return {"rows": self.row_count, "columns": [summarize_column(column) for column in self.columns]}


def merge_profiles(parts: Sequence[Profile]) -> Profile:
    """The profile of all rows of the parts.

    Raises:
        SchemaMismatchError: they have other columns or types.
        ParameterError: there is no part.
    """
    if not parts:
        raise ParameterError("there is no profile to merge", next_step="give one or more")
    first = parts[0]
    for part in parts:
        if part.schema != first.schema:
            names = {name for name, _ in set(part.schema) ^ set(first.schema)} or {name for name, _ in first.schema}
            raise SchemaMismatchError(
                f"profiles differ in columns: {', '.join(sorted(map(repr, names)))}",
                next_step="merge profiles of the same schema; compare others with `compare_profiles`",
            )
    rows = reduce(lambda total, part: total + part.row_count, parts, 0)
    columns = (merge_columns(column) for column in zip(*(part.columns for part in parts), strict=True))
    return Profile(tuple(columns), rows)
