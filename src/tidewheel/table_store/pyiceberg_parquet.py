"""One Parquet file as PyIceberg writes it, but with the columns' own names and, where wanted, an entry in the footer.

PyIceberg writes names that Avro would refuse in another form (`dep delay` as `dep_x20delay`). Iceberg's readers go by
field ids and do not mind either; plain readers of Parquet, which look at most snapshots here, go by names.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

import pyarrow as pa
from pyiceberg.io import FileIO
from pyiceberg.io.fileformat import FileFormatFactory
from pyiceberg.io.pyarrow import _to_requested_schema
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
from pyiceberg.schema import sanitize_column_names
from pyiceberg.table.locations import load_location_provider
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.typedef import Record as Partition


def has_renamed_columns(metadata: TableMetadata) -> bool:
    """Whether PyIceberg would write columns of a table under other names than theirs."""
    schema = metadata.schema()
    return bool(sanitize_column_names(schema) != schema)


def write_parquet(
    metadata: TableMetadata, io: FileIO, rows: pa.Table, *, name: str, footer: Mapping[bytes, bytes] | None = None
) -> DataFile:
    """Writes rows into one file that no snapshot names yet; on any error it is removed again.

    Args:
        metadata: of a table without partitions.
        io: where its files are.
        rows: with its columns and types.
        name: of the file, without an ending.
        footer: entries of the file's footer.
    """
    model = FileFormatFactory.get(FileFormat.PARQUET)
    schema = metadata.schema()
    batches = [
        _to_requested_schema(
            requested_schema=schema, file_schema=schema, batch=batch, include_field_ids=True, format_model=model
        )
        for batch in rows.combine_chunks().to_batches()
    ]
    places = load_location_provider(table_location=metadata.location, table_properties=metadata.properties)
    path = places.new_data_location(f"{name}.{model.file_extension()}")
    output = io.new_output(path)
    writer = model.create_writer(output, schema, metadata.properties)
    try:
        with writer:
            writer.write(pa.Table.from_batches(batches).replace_schema_metadata(footer))
    except BaseException:
        with contextlib.suppress(OSError):
            io.delete(path)
        raise
    return DataFile.from_args(
        content=DataFileContent.DATA,
        file_path=path,
        file_format=FileFormat.PARQUET,
        partition=Partition(),
        file_size_in_bytes=len(output),
        sort_order_id=None,
        spec_id=metadata.default_spec_id,
        equality_ids=None,
        key_metadata=None,
        **writer.result().to_serialized_dict(),
    )
