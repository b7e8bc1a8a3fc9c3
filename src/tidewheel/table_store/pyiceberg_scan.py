"""Reads a snapshot as Iceberg says: with deletes applied, and columns that were added, widened or renamed since."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
from pyiceberg.catalog.noop import NoopCatalog
from pyiceberg.io import load_file_io
from pyiceberg.io.pyarrow import ArrowScan
from pyiceberg.table import StaticTable
from pyiceberg.table.metadata import TableMetadataUtil

from tidewheel.core.errors import ArtifactMissingError, StorageError
from tidewheel.table_store.pyiceberg_files import local_path
from tidewheel.table_store.table_reference import TableReference


def scan_snapshot(reference: TableReference, columns: Sequence[str] | None = None) -> pa.Table:
    """The rows of a snapshot that plain Parquet readers would see wrongly.

    Args:
        reference: a reference whose `metadata` is there, since it is not direct.
        columns: which to read; all by default.

    Raises:
        ArtifactMissingError: a file of the snapshot is gone.
        StorageError: the table uses a feature of Iceberg that cannot be read here.
    """
    metadata = TableMetadataUtil.parse_raw(reference.metadata)
    table = StaticTable(
        identifier=("static", reference.snapshot.table),
        metadata=metadata,
        metadata_location=reference.metadata_location,
        io=load_file_io(location=reference.metadata_location),
        catalog=NoopCatalog("static"),
    )
    where = f"table {reference.snapshot.table!r}, snapshot {reference.snapshot.snapshot_id}"
    selected = tuple(columns) if columns is not None else ("*",)
    try:
        scan = table.scan(snapshot_id=reference.snapshot.snapshot_id, selected_fields=selected)
        # PyIceberg plans the newest files first; rows come in the order in which they were ingested.
        order = {file.path: position for position, file in enumerate(reference.files)}
        tasks = sorted(scan.plan_files(), key=lambda task: order.get(local_path(task.file.file_path), -1))
        reader = ArrowScan(metadata, table.io, scan.projection(), scan.row_filter, scan.case_sensitive)
        return reader.to_table(tasks)
    except FileNotFoundError as error:
        raise ArtifactMissingError(f"a file of the snapshot is missing: {error}", where=where) from None
    except (ValueError, NotImplementedError) as error:
        raise StorageError(f"the snapshot cannot be read: {error}", where=where) from error
