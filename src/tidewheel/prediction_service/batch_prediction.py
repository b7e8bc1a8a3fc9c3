"""Batch prediction: the rows of a snapshot streamed through a model on all cores, in chunks that are kept one by one.

Threads, not processes: decoding, ONNX Runtime and writing leave Python's lock, one session serves all threads, and each
call of it computes in its own thread alone, which costs less CPU than threads inside one call. Memory is bounded by the
size of a chunk, whatever the size of the snapshot.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import pyarrow as pa

from tidewheel.core.errors import SchemaMismatchError
from tidewheel.model_package.arrow_model import ArrowModel

CHUNK_ROWS = 1 << 19
"""Rows that are kept together: what a kill costs, and what memory holds a few times."""
BATCH_ROWS = 1 << 16
"""Rows of one call of the model."""


class _Batch(NamedTuple):
    chunk: int
    first_row: int
    rows: pa.RecordBatch


class BatchPrediction:
    """Carries out the predictions of one job.

    Args:
        model: answers.
        kept: columns of the rows that the result has before the answers.
        join: adds the features that the rows lack, a chunk at a time; None when they have all.
        threads: how many calls of the model at a time; one for each core by default.
        chunk_rows: rows of a chunk.
    """

    def __init__(
        self,
        model: ArrowModel,
        kept: Sequence[str],
        *,
        join: Callable[[pa.Table], pa.Table] | None = None,
        threads: int | None = None,
        chunk_rows: int = CHUNK_ROWS,
    ) -> None:
        self._model = model
        self._kept = list(kept)
        self._join = join
        self._threads = threads or os.cpu_count() or 1
        self._chunk_rows = chunk_rows

    def carry_out(
        self, batches: Iterable[pa.RecordBatch], write: Callable[[pa.Table], None], *, first_chunk: int = 0
    ) -> None:
        """Gives each chunk's result to `write`, in order, while the next chunk is computed.

        Args:
            batches: rows from the first one of `first_chunk` on, in the order of the snapshot.
            write: keeps the result of a chunk; called from one thread.
            first_chunk: the number of the first chunk that is not kept yet.

        Raises:
            SchemaMismatchError: a value does not fit the model; column and row are named. Chunks before are written.
        """
        with ThreadPoolExecutor(self._threads) as workers, ThreadPoolExecutor(1) as writer:
            written: Future[None] | None = None
            for table in self._chunks_of_answers(workers, batches, first_chunk):
                if written is not None:
                    written.result()
                written = writer.submit(write, table)
            if written is not None:
                written.result()

    def _chunks_of_answers(
        self, workers: ThreadPoolExecutor, batches: Iterable[pa.RecordBatch], first_chunk: int
    ) -> Iterator[pa.Table]:
        number, parts = first_chunk, list[pa.RecordBatch]()
        for chunk, answered in self._answers(workers, self._batches(batches, first_chunk)):
            if chunk != number:
                yield pa.Table.from_batches(parts)
                number, parts = chunk, []
            parts.append(answered.result())  # only now: what is wrong here does not take the chunk before with it
        if parts:
            yield pa.Table.from_batches(parts)

    def _answers(
        self, workers: ThreadPoolExecutor, batches: Iterable[_Batch]
    ) -> Iterator[tuple[int, Future[pa.RecordBatch]]]:
        waiting: deque[tuple[int, Future[pa.RecordBatch]]] = deque()
        try:
            for batch in batches:
                waiting.append((batch.chunk, workers.submit(self._answer, batch)))
                if len(waiting) > 2 * self._threads:
                    yield waiting.popleft()
            while waiting:
                yield waiting.popleft()
        finally:
            for _, answered in waiting:
                answered.cancel()

    def _answer(self, batch: _Batch) -> pa.RecordBatch:
        answers = self._model.predict(batch.rows, batch.first_row)
        kept = [_plain(batch.rows.column(name)) for name in self._kept]
        return pa.RecordBatch.from_arrays([*kept, *answers.columns], names=[*self._kept, *answers.schema.names])

    def _batches(self, batches: Iterable[pa.RecordBatch], first_chunk: int) -> Iterator[_Batch]:
        for number, chunk in enumerate(cut(batches, self._chunk_rows), start=first_chunk):
            first_row = number * self._chunk_rows
            parts = chunk if self._join is None else self._join(pa.Table.from_batches(chunk)).to_batches()
            for part in parts:
                for start in range(0, part.num_rows, BATCH_ROWS):
                    piece = part.slice(start, BATCH_ROWS)
                    yield _Batch(number, first_row, piece)
                    first_row += piece.num_rows


def cut(batches: Iterable[pa.RecordBatch], rows: int) -> Iterator[list[pa.RecordBatch]]:
    """Chunks of exactly `rows` rows, the last one smaller; no row is copied.

    Example:
        >>> batch = pa.record_batch({"n": [1, 2, 3, 4, 5]})
        >>> [[part.column("n").to_pylist() for part in chunk] for chunk in cut([batch, batch], 4)]
        [[[1, 2, 3, 4]], [[5], [1, 2, 3]], [[4, 5]]]
    """
    parts, count = list[pa.RecordBatch](), 0
    for batch in batches:
        while count + batch.num_rows >= rows:
            head = batch.slice(0, rows - count)
            yield [*parts, head]
            batch, parts, count = batch.slice(head.num_rows), [], 0
        if batch.num_rows:
            parts.append(batch)
            count += batch.num_rows
    if parts:
        yield parts


def kept_columns(
    schema: pa.Schema, model: ArrowModel, wanted: Sequence[str] | None, *, where: str = ""
) -> tuple[list[str], list[str]]:
    """The columns that the result has beside the answers, and those left out because an answer has their name.

    Args:
        wanted: by default all that are no feature of the model.

    Raises:
        SchemaMismatchError: a wanted column does not exist, or an answer has its name.
    """
    answers = model.answers.names
    if wanted is None:
        features = {field.name for field in model.signature.inputs}
        others = [name for name in schema.names if name not in features]
        return [name for name in others if name not in answers], [name for name in others if name in answers]
    missing = [name for name in wanted if name not in schema.names]
    taken = [name for name in wanted if name in answers]
    if missing or taken:
        told = f"column {missing[0]!r} does not exist" if missing else f"column {taken[0]!r} has the name of an answer"
        raise SchemaMismatchError(told, where=where, next_step=f"keep others of {', '.join(schema.names[:12])}")
    return list(dict.fromkeys(wanted)), []


def _plain(column: pa.Array) -> pa.Array:
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
