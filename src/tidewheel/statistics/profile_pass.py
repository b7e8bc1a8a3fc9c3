"""One pass over Arrow batches that gives their profile, out of core and in parallel."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor

import pyarrow as pa

from tidewheel.statistics.arrow_column import Hint, profile_array
from tidewheel.statistics.column_profile import ColumnProfile, merge_columns
from tidewheel.statistics.profile import Profile
from tidewheel.statistics.text_column import TextCounts, count_texts, profile_texts

BATCH_ROWS = 131_072
"""Larger batches are looked at in pieces of so many rows; it bounds the memory."""
_PENDING = 16
"""So many pieces of a column are merged at a time."""
_AHEAD = 3


def profile_batches(batches: Iterable[pa.RecordBatch], schema: pa.Schema, *, threads: int | None = None) -> Profile:
    """The profile of all rows of the batches; each is looked at once and let go.

    The same batches give the same bytes, whatever the number of threads. Text columns that come dictionary-encoded are
    several times faster.

    Args:
        batches: of these columns; encodings may differ. Pieces of about a hundred thousand rows are best.
        schema: of the table; with no batch it gives a profile of no rows.
        threads: how many look; all cores by default.

    Raises:
        SchemaMismatchError: two columns have the same name.
    """
    passes = [_ColumnPass(column) for column in schema]
    rows = 0
    workers = threads or os.cpu_count() or 1
    with ThreadPoolExecutor(workers, thread_name_prefix="profile") as pool:
        waiting: deque[list[Future[ColumnProfile | TextCounts]]] = deque()
        for piece in _pieces(batches):
            rows += piece.num_rows
            waiting.append([pool.submit(one.look, piece.column(at)) for at, one in enumerate(passes)])
            if len(waiting) >= _AHEAD:
                _fold(passes, waiting.popleft(), pool)
        while waiting:
            _fold(passes, waiting.popleft(), pool)
        return Profile(tuple(pool.map(_ColumnPass.finish, passes)), rows)


def profile_table(table: pa.Table | pa.RecordBatch, *, threads: int | None = None) -> Profile:
    """The profile of a table in memory; see `profile_batches`."""
    batches = [table] if isinstance(table, pa.RecordBatch) else table.to_batches()
    return profile_batches(batches, table.schema, threads=threads)


class _ColumnPass:
    """A column while batches go by. `look` may run in any thread, `fold` and `finish` in one at a time."""

    def __init__(self, column: pa.Field) -> None:
        self._column = column
        self._found = profile_array(column, pa.nulls(0, column.type), Hint())
        self._pending: list[ColumnProfile | Future[ColumnProfile]] = []
        self._texts: TextCounts | None = None
        self._hint = Hint()

    def look(self, array: pa.Array) -> ColumnProfile | TextCounts:
        """What a piece holds; what is already known of the column only saves time."""
        if pa.types.is_dictionary(array.type) and self._found.kind in ("text", "binary"):
            return count_texts(array)
        return profile_array(self._column, array, self._hint)

    def fold(self, piece: ColumnProfile | TextCounts, pool: Executor) -> None:
        """Adds a piece, in the order of the rows."""
        if isinstance(piece, TextCounts):
            both = self._texts.plus(piece) if self._texts else None
            if both is None and self._texts:
                self._add(pool.submit(self._of_texts, self._texts))
            self._texts = both or piece
        else:
            if self._texts:
                self._add(self._of_texts(self._texts))
                self._texts = None
            self._add(piece)

    def finish(self) -> ColumnProfile:
        """All that was added."""
        if self._texts:
            self._add(self._of_texts(self._texts))
            self._texts = None
        return self._merge()

    def _of_texts(self, found: TextCounts) -> ColumnProfile:
        return profile_texts(self._found, found, self._hint.limit)

    def _add(self, piece: ColumnProfile | Future[ColumnProfile]) -> None:
        self._pending.append(piece)
        is_first = not self._found.row_count
        if is_first or len(self._pending) >= _PENDING:
            found = self._merge()
            if found.is_ordered or found.kind == "nested":
                self._hint = Hint(found.cells.shift, found.distinct.limit)
            else:
                self._hint = Hint(0, found.distinct.limit)

    def _merge(self) -> ColumnProfile:
        pieces = [one.result() if isinstance(one, Future) else one for one in self._pending]
        self._found = merge_columns([self._found, *pieces])
        self._pending = []
        return self._found


def _fold(passes: list[_ColumnPass], pieces: list[Future[ColumnProfile | TextCounts]], pool: Executor) -> None:
    for one, piece in zip(passes, pieces, strict=True):
        one.fold(piece.result(), pool)


def _pieces(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        for start in range(0, batch.num_rows, BATCH_ROWS):
            yield batch.slice(start, BATCH_ROWS)
