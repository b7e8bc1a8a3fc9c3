"""The rows of a snapshot's files as a stream, texts as dictionaries: the quickest way to look at all of them once."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from tidewheel.core.errors import ArtifactCorruptError, ArtifactMissingError
from tidewheel.table_store.table_reference import TableReference

BATCH_ROWS = 131_072


def encoded_batches(
    reference: TableReference, columns: Sequence[str], *, threads: int | None = None, first_row: int = 0
) -> Iterator[pa.RecordBatch]:
    """Batches of a direct snapshot in the order of ingestion; memory is bounded by the size of a batch and of the
    pages of a file that are read ahead.

    Args:
        reference: of a snapshot that is direct.
        columns: which.
        threads: 1 to decode in one thread.
        first_row: rows before this one are not given; files and row groups of only such rows are not read.

    Raises:
        ArtifactMissingError, ArtifactCorruptError: a file is gone or damaged.
    """
    schema = pa.ipc.read_schema(pa.py_buffer(reference.schema))
    texts = [name for name in columns if _is_text(schema.field(name).type)]
    skipped = 0
    for file in reference.files:
        if skipped + file.row_count <= first_row:
            skipped += file.row_count
            continue
        try:
            with pq.ParquetFile(file.path, read_dictionary=texts, pre_buffer=True) as opened:
                groups, skipped = _groups_from(opened.metadata, skipped, first_row)
                for batch in opened.iter_batches(
                    BATCH_ROWS, row_groups=groups, columns=list(columns), use_threads=threads != 1
                ):
                    passed = min(max(first_row - skipped, 0), batch.num_rows)
                    skipped += passed
                    if passed < batch.num_rows:
                        yield batch.slice(passed)
        except (OSError, pa.ArrowInvalid) as error:
            if not os.path.exists(file.path):
                raise ArtifactMissingError(
                    f"data file {file.path} is missing", next_step="restore it, or read another snapshot"
                ) from error
            raise ArtifactCorruptError(
                f"data file {file.path} cannot be read: {error}", next_step="restore it from a copy"
            ) from error


def _groups_from(metadata: pq.FileMetaData, skipped: int, first_row: int) -> tuple[list[int], int]:
    """The row groups that hold a row from the first wanted one on, and the number of rows before them."""
    group = 0
    while group < metadata.num_row_groups and skipped + metadata.row_group(group).num_rows <= first_row:
        skipped += metadata.row_group(group).num_rows
        group += 1
    return list(range(group, metadata.num_row_groups)), skipped


def _is_text(type_: pa.DataType) -> bool:
    return bool(pa.types.is_string(type_) or pa.types.is_large_string(type_))
