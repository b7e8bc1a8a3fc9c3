"""Arrow tables as uncompressed Arrow IPC files, mapped on reading."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from tidewheel.core.errors import ParameterError, UnreadableFileError

BATCH_ROWS = 1 << 20


class ArrowCodec:
    """Stores `pyarrow.Table` and `RecordBatch`; gives a Table back (a RecordBatch where the reader declares one).

    A `RecordBatchReader` is stored as the table that it would be read to, with at most one batch of it in memory.

    Equal tables give equal bytes however they were chunked or sliced and whatever lies under their nulls. The
    dictionary of a dictionary column is part of its value. Metadata is kept, sorted by key. The file has batches of
    2**20 rows.
    """

    name = "arrow"
    version = 1

    def encode(self, value: Any, stream: BinaryIO) -> dict[str, Any]:
        """Writes the table batch by batch.

        Raises:
            ParameterError: a column has a type without a canonical form, such as a union.
        """
        import pyarrow as pa

        if isinstance(value, pa.RecordBatchReader):
            rows = write_stream(value, stream)
            return {"rows": rows, "columns": {field.name: str(field.type) for field in _plain_schema(value.schema)}}
        table = pa.Table.from_batches([value]) if isinstance(value, pa.RecordBatch) else value
        write_table(table, stream)
        return {"rows": table.num_rows, "columns": {field.name: str(field.type) for field in table.schema}}

    def decode(self, path: Path, as_type: Any = None) -> Any:
        """The table; its columns are the mapped file."""
        table = read_table(path)
        if getattr(as_type, "__name__", "") == "RecordBatch":
            return table.combine_chunks().to_batches()[0]
        return table


def write_table(table: Any, stream: BinaryIO) -> None:
    """Writes a table in its canonical form.

    Raises:
        ParameterError: a column has no canonical form.
    """
    import pyarrow as pa

    schema = _canonical_schema(table.schema)
    table = _unified(table)
    with pa.ipc.new_file(pa.PythonFile(stream, mode="w"), schema) as writer:
        for start in range(0, table.num_rows, BATCH_ROWS) or (0,):
            writer.write_batch(_canonical_batch(table.slice(start, BATCH_ROWS), schema))


def write_stream(reader: Any, stream: BinaryIO) -> int:
    """Writes a stream of batches as the table that they make up; columns of dictionaries as their plain values.

    Returns:
        The number of rows.

    Raises:
        ParameterError: a column has no canonical form.
    """
    import pyarrow as pa

    plain = _plain_schema(reader.schema)
    schema = _canonical_schema(plain)
    rows = 0
    with pa.ipc.new_file(pa.PythonFile(stream, mode="w"), schema) as writer:
        for part in _blocks(reader):
            rows += part.num_rows
            writer.write_batch(_canonical_batch(part.cast(plain), schema))
    return rows


def _blocks(reader: Any) -> Iterator[Any]:
    """Tables of `BATCH_ROWS` rows, the last one of fewer; one without rows when there are none."""
    import pyarrow as pa

    pending: list[Any] = []
    count, is_empty = 0, True
    for batch in reader:
        while count + batch.num_rows >= BATCH_ROWS:
            head = batch.slice(0, BATCH_ROWS - count)
            yield pa.Table.from_batches([*pending, head], schema=reader.schema)
            batch, pending, count, is_empty = batch.slice(head.num_rows), [], 0, False
        if batch.num_rows:
            pending.append(batch)
            count += batch.num_rows
    if pending or is_empty:
        yield pa.Table.from_batches(pending, schema=reader.schema)


def _canonical_batch(part: Any, schema: Any) -> Any:
    import pyarrow as pa

    from tidewheel.artifact_store.arrow_canonical import canonical_array

    arrays = []
    for field, column in zip(part.schema, part.columns, strict=True):
        try:
            arrays.append(canonical_array(_one_array(column, field.type)))
        except (pa.ArrowException, ParameterError) as error:
            what = error.what if isinstance(error, ParameterError) else str(error)
            raise ParameterError(
                f"column {field.name!r} cannot be stored: {what}",
                where=f"column {field.name!r}",
                next_step="cast it to a plain type, such as string, or a list or struct of plain types",
            ) from error
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _plain_schema(schema: Any) -> Any:
    import pyarrow as pa

    fields = [f.with_type(f.type.value_type) if pa.types.is_dictionary(f.type) else f for f in schema]
    return pa.schema(fields, metadata=schema.metadata)


def read_table(path: Path) -> Any:
    """The table in a file, mapped.

    Raises:
        UnreadableFileError: this is no Arrow IPC file.
    """
    import pyarrow as pa

    try:
        return pa.ipc.open_file(pa.memory_map(str(path))).read_all()
    except (pa.ArrowException, OSError) as error:
        raise UnreadableFileError(
            f"this is no stored table: {error}", where=str(path), next_step="run the step that made it again"
        ) from error


def _one_array(column: Any, kind: Any) -> Any:
    import pyarrow as pa

    if column.num_chunks == 1:
        return column.chunk(0)
    if column.num_chunks == 0:
        return pa.array([], kind)
    return pa.concat_arrays(column.chunks)


def _unified(table: Any) -> Any:
    """One dictionary per column: the file format has no other way."""
    import pyarrow as pa

    if any(pa.types.is_dictionary(field.type) for field in table.schema):
        return table.unify_dictionaries()
    return table


def _canonical_schema(schema: Any) -> Any:
    import pyarrow as pa

    return pa.schema([_canonical_field(field) for field in schema], metadata=_sorted(schema.metadata))


def _canonical_field(field: Any) -> Any:
    return field.with_type(_canonical_type(field.type)).with_metadata(_sorted(field.metadata))


def _canonical_type(kind: Any) -> Any:
    """The same type with the metadata of nested fields sorted."""
    import pyarrow as pa

    if pa.types.is_struct(kind):
        return pa.struct([_canonical_field(kind.field(index)) for index in range(kind.num_fields)])
    if pa.types.is_list(kind):
        return pa.list_(_canonical_field(kind.value_field))
    if pa.types.is_large_list(kind):
        return pa.large_list(_canonical_field(kind.value_field))
    if pa.types.is_fixed_size_list(kind):
        return pa.list_(_canonical_field(kind.value_field), kind.list_size)
    return kind


def _sorted(metadata: Mapping[bytes, bytes] | None) -> dict[bytes, bytes] | None:
    return dict(sorted(metadata.items())) if metadata else None
