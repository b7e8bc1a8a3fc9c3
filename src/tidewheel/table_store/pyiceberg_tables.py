"""The table store on PyIceberg: named tables, immutable snapshots, tags; every write one atomic commit."""

from __future__ import annotations

import contextlib
import sys
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path

import pyarrow as pa
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import (
    CommitFailedException,
    NoSuchNamespaceError,
    NoSuchTableError,
    TableAlreadyExistsError,
)
from pyiceberg.expressions import In
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table, Transaction
from pyiceberg.table.refs import MAIN_BRANCH
from pyiceberg.table.snapshots import ancestors_of

from tidewheel.core.errors import ConflictError, NotFoundError, ParameterError, ProtectedError, StorageError
from tidewheel.core.records import Snapshot
from tidewheel.table_store.arrow_types import check_case, table_schema
from tidewheel.table_store.expired_snapshots import ExpiredSnapshots
from tidewheel.table_store.file_index import FileIndex
from tidewheel.table_store.pyiceberg_batches import PyIcebergBatches
from tidewheel.table_store.pyiceberg_catalog import drop_unchanged, identifier, names, open_catalog
from tidewheel.table_store.pyiceberg_commit import commit, storage_errors
from tidewheel.table_store.pyiceberg_files import TableData, remove_files, write_files
from tidewheel.table_store.pyiceberg_history import (
    find_property,
    main_history,
    published_ids,
    remove_tag,
    set_tag,
    tags_of,
)
from tidewheel.table_store.pyiceberg_maintenance import PyIcebergMaintenance
from tidewheel.table_store.pyiceberg_schema import arrow_schema, evolve_schema
from tidewheel.table_store.pyiceberg_snapshots import SnapshotReader
from tidewheel.table_store.pyiceberg_staging import PyIcebergStaging
from tidewheel.table_store.table_reader import TableReader
from tidewheel.table_store.table_reference import TableInfo, TableReference

_PROPERTIES = {
    # 100 versions of the metadata file are kept; without this each commit leaves one behind for ever.
    "write.metadata.delete-after-commit.enabled": "true",
    "commit.manifest-merge.enabled": "true",
    # For PyIceberg clients that write beside Tidewheel, whose own commits repeat as they need.
    "commit.retry.num-retries": "20",
    "commit.retry.min-wait-ms": "20",
    "commit.retry.max-wait-ms": "1000",
}


class PyIcebergTableStore:
    """Tables of one warehouse. Safe for threads and processes; to be opened again after a fork.

    A name without a dot lies in the namespace `tidewheel`; `other.flights` reaches a table of another namespace.

    Example:
        >>> import tempfile
        >>> store = PyIcebergTableStore.open(Path(tempfile.mkdtemp()))
        >>> first = store.create("flights", pa.table({"carrier": ["UA", "AA"], "delay": [2, -11]}))
        >>> second = store.append("flights", pa.table({"carrier": ["B6"], "delay": [40]}))
        >>> first.row_count, second.row_count, store.snapshot("flights", id=first.snapshot_id) == first
        (2, 3, True)
    """

    def __init__(self, catalog: Catalog, index: FileIndex, folder: Path) -> None:
        self._catalog = catalog
        self._snapshots = SnapshotReader(index)
        self._expired = ExpiredSnapshots(folder / "expired.db")
        self.staging = PyIcebergStaging(self._load, self._snapshots, self._expired, folder / "staging")
        self.batches = PyIcebergBatches(self._load, self._snapshots, self._expired)
        self.maintenance = PyIcebergMaintenance(self._load, self._snapshots, index, self._expired)

    @classmethod
    def open(cls, warehouse: Path, *, catalog_properties: Mapping[str, str] | None = None) -> PyIcebergTableStore:
        """Opens the tables of a warehouse, which is made when missing.

        Args:
            warehouse: the folder of the data files, of the catalog and of the index of digests.
            catalog_properties: PyIceberg's own properties of another catalog, such as `type` and `uri`; then only the
                index of digests lies in the folder.

        Raises:
            StorageError: the folder or the catalog cannot be opened.
        """
        warehouse = warehouse.absolute()
        return cls(open_catalog(warehouse, catalog_properties), FileIndex(warehouse / "index.db"), warehouse)

    def create(
        self, name: str, schema_or_data: pa.Schema | pa.Table, *, properties: Mapping[str, str] = {}
    ) -> Snapshot:
        """Makes a table, with the rows of `schema_or_data` if it has any, in one commit.

        Raises:
            ConflictError: a table of this name exists.
            ParameterError: the name is none of a table.
            SchemaMismatchError: a column has a type that no table holds, or two have nearly one name.
        """
        data = schema_or_data if isinstance(schema_or_data, pa.Table) else schema_or_data.empty_table()
        schema = table_schema(data.schema)
        check_case(schema.names)
        with storage_errors(f"creating table {name!r}"):
            if self.exists(name):
                raise _exists(name)
            try:
                transaction = self._catalog.create_table_transaction(identifier(name), schema, properties=_PROPERTIES)
            except NoSuchNamespaceError:
                raise ParameterError(
                    f"table {name!r} cannot be made: the catalog has no namespace {name.rpartition('.')[0]!r}",
                    next_step="give it a name without a dot",
                ) from None
            io = transaction._table.io
            files = write_files(transaction.table_metadata, io, data, where=f"table {name!r}")
            # A snapshot is made without rows too: a table that has none could not be read, pinned or tagged.
            with transaction.update_snapshot(snapshot_properties=dict(properties)).fast_append() as producer:
                for file in files:
                    producer.append_data_file(file)
            try:
                table = transaction.commit_transaction()
            except (CommitFailedException, TableAlreadyExistsError):
                remove_files(io, files)
                raise _exists(name) from None
        return self._snapshots.current(table, name)

    def exists(self, name: str) -> bool:
        """Whether there is a table of this name."""
        return self._catalog.table_exists(identifier(name))

    def list(self) -> tuple[TableInfo, ...]:
        """All tables, by name. A table that another process drops meanwhile is left out."""
        found = []
        for name in names(self._catalog):
            with contextlib.suppress(NotFoundError):
                found.append(self.info(name))
        return tuple(found)

    def info(self, name: str) -> TableInfo:
        """The line of a listing for one table; reads its metadata file only.

        Raises:
            NotFoundError: there is no such table.
        """
        return self._snapshots.info(self._load(name), name)

    def schema(self, name: str) -> pa.Schema:
        """The Arrow schema to which appended data is cast.

        Raises:
            NotFoundError: there is no such table.
        """
        return arrow_schema(self._load(name).schema())

    def drop(self, name: str) -> None:
        """Takes a table out of the catalog. Its files stay, for whoever still reads a snapshot of it.

        Raises:
            NotFoundError: there is no such table.
            ProtectedError: a tag holds one of its snapshots.
        """
        tags = self.tags(name)
        if tags:
            raise ProtectedError(
                f"table {name!r} is held by the tags {', '.join(sorted(tags))}", next_step="remove the tags first"
            )
        with contextlib.suppress(NoSuchTableError):
            self._catalog.drop_table(identifier(name))

    def drop_unused(self, name: str) -> bool:
        """Takes a table out of the catalog that nobody has put a row into, or is about to: it has one snapshot, which
        is empty, and neither branch nor tag. Atomic: a writer who is first keeps the table.

        Returns:
            Whether it went; False as well for other catalogs than SQLite, which cannot drop under a condition.

        Raises:
            StorageError: the catalog refused.
        """
        if not self.exists(name):
            return False
        table = self._load(name)
        history, refs = main_history(table.metadata), set(table.metadata.refs)
        if len(history) > 1 or refs - {MAIN_BRANCH} or any(True for _ in table.scan().plan_files()):
            return False
        return drop_unchanged(self._catalog, name, table.metadata_location)

    def append(
        self, name: str, data: TableData, *, properties: Mapping[str, str] = {}, unless: Collection[str] = ()
    ) -> Snapshot:
        """Adds rows. Concurrent appends all land, each as its own snapshot.

        Args:
            name: the table.
            data: a table, a stream of batches (read once, with bounded memory), or several tables; each table gives its
                own files, so that the snapshot's digest does not depend on what was appended together.
            properties: kept with the snapshot, in the same commit; looked at when the data has been written, so that an
                iterator of tables can still fill in what it counted.
            unless: keys of properties; when a snapshot of the table has one of them, nothing is appended.

        Returns:
            The snapshot right after this append; rows of other writers may be in it too.

        Raises:
            NotFoundError: there is no such table.
            SchemaMismatchError: the data does not fit; columns that allow nulls may be absent.
            ConflictError: a key of `unless` is there, or other writers were first for two minutes.
            StorageError: the disk or the catalog refused. Whatever is raised, no row was added.
        """
        table = self._load(name)
        with storage_errors(f"appending to table {name!r}"):
            files = write_files(table.metadata, table.io, data, where=f"table {name!r}")

        def change(transaction: Transaction) -> int:
            for key in unless:
                metadata = transaction.table_metadata
                if find_property(metadata, key) or self._expired.find(str(metadata.table_uuid), key):
                    raise ConflictError(
                        f"table {name!r} has a snapshot with property {key!r}", next_step="nothing is left to append"
                    )
            with transaction.update_snapshot(snapshot_properties=dict(properties)).fast_append() as producer:
                for file in files:
                    producer.append_data_file(file)
            return producer.snapshot_id

        return self._commit_files(name, table, files, change, what=f"appending to table {name!r}")

    def overwrite(self, name: str, data: TableData, *, properties: Mapping[str, str] = {}) -> Snapshot:
        """Replaces all rows in one commit; earlier snapshots stay readable.

        Raises:
            NotFoundError: there is no such table.
            SchemaMismatchError: the data does not fit.
            ConflictError: other writers were first for two minutes.
            StorageError: the disk or the catalog refused. Whatever is raised, the table is as before.
        """
        table = self._load(name)
        with storage_errors(f"overwriting table {name!r}"):
            files = write_files(table.metadata, table.io, data, where=f"table {name!r}")

        def change(transaction: Transaction) -> int:
            with transaction.update_snapshot(snapshot_properties=dict(properties)).overwrite() as producer:
                for task in transaction._scan().plan_files():
                    producer.delete_data_file(task.file)
                for file in files:
                    producer.append_data_file(file)
            return producer.snapshot_id

        return self._commit_files(name, table, files, change, what=f"overwriting table {name!r}")

    def delete(self, name: str, column: str, values: Collection[str]) -> None:
        """Takes the rows away whose column of text has one of the values, in one commit; none may be there.

        Raises:
            NotFoundError: there is no such table.
            ConflictError: other writers were first for two minutes.
            StorageError: the disk or the catalog refused.
        """

        def change(transaction: Transaction) -> None:
            condition = In(column, tuple(values))  # type: ignore[call-arg, arg-type]
            if any(True for _ in transaction._scan(row_filter=condition).plan_files()):
                with warnings.catch_warnings():  # files may match by their statistics and yet hold no such row
                    warnings.filterwarnings("ignore", "Delete operation did not match")
                    transaction.delete(condition)

        if values:
            commit(lambda: self._load(name), change, what=f"deleting rows of table {name!r}")

    def evolve(self, name: str, schema: pa.Schema) -> Snapshot:
        """Lets a table hold data of a schema too: its new columns are added, its wider types taken over.

        Columns are matched by name; those that the schema lacks stay. The change is a snapshot of its own without rows,
        so that every snapshot id has one schema and one digest; when nothing changes, none is made.

        Raises:
            NotFoundError: there is no such table.
            SchemaMismatchError: every column whose type cannot become the wanted one without loss.
        """
        wanted = table_schema(schema)

        def change(transaction: Transaction) -> None:
            if evolve_schema(transaction, wanted, where=f"table {name!r}"):
                with transaction.update_snapshot().fast_append():
                    pass

        table, _ = commit(lambda: self._load(name), change, what=f"evolving table {name!r}")
        return self._snapshots.current(table, name)

    def snapshot(
        self,
        name: str,
        *,
        id: int | None = None,  # noqa: A002
        tag: str | None = None,
        as_of: datetime | None = None,
    ) -> Snapshot:
        """One snapshot: by id, by tag, the one that was current at a time of the wall clock, else the current one.

        Raises:
            NotFoundError: there is no such table, snapshot or tag.
            ParameterError: more than one of `id`, `tag` and `as_of` is given.
        """
        table = self._load(name)
        return self._snapshots.record(
            table, name, self._snapshots.find(table, name, snapshot_id=id, tag=tag, as_of=as_of)
        )

    def snapshots(self, name: str) -> tuple[Snapshot, ...]:
        """The snapshots of the main history and of tags that can still be read, oldest first.

        Raises:
            NotFoundError: there is no such table.
        """
        table = self._load(name)
        known = published_ids(table.metadata)
        ordered = sorted(
            (snapshot for snapshot in table.snapshots() if snapshot.snapshot_id in known),
            key=lambda snapshot: snapshot.sequence_number or 0,
        )
        return tuple(self._snapshots.record(table, name, snapshot) for snapshot in ordered)

    def properties(self, name: str, snapshot_id: int) -> dict[str, str]:
        """What was kept with a snapshot, Iceberg's own counts included.

        Raises:
            NotFoundError: there is no such table or snapshot.
        """
        table = self._load(name)
        expired = self._expired.properties(str(table.metadata.table_uuid), snapshot_id)
        if expired is not None and table.snapshot_by_id(snapshot_id) is None:
            return expired
        summary = self._snapshots.find(table, name, snapshot_id=snapshot_id, tag=None, as_of=None).summary
        return dict(summary.additional_properties) if summary else {}

    def lineage(self, name: str, snapshot_id: int | None = None) -> tuple[dict[str, str], ...]:
        """What a snapshot, and those that it was made from, were committed with, the newest first.

        Args:
            name: the table.
            snapshot_id: by default the whole main history.

        Raises:
            NotFoundError: there is no such table or snapshot.
        """
        table = self._load(name)
        if snapshot_id is None:
            found = main_history(table.metadata)
        else:
            last = self._snapshots.find(table, name, snapshot_id=snapshot_id, tag=None, as_of=None)
            found = list(ancestors_of(last, table.metadata))
        return tuple(dict(one.summary.additional_properties) for one in found if one.summary is not None)

    def find_by_property(self, name: str, key: str, value: str | None = None) -> Snapshot | None:
        """The snapshot of the main history that was committed with a property, the newest if several were.

        Args:
            name: the table.
            key: the property's name.
            value: the value that it must have; any by default.

        Raises:
            NotFoundError: there is no such table.
        """
        table = self._load(name)
        found = find_property(table.metadata, key, value)
        if found is None:
            return self._expired.find(str(table.metadata.table_uuid), key, value)
        return self._snapshots.record(table, name, found)

    def tag(self, name: str, snapshot_id: int, tag: str) -> None:
        """Names a snapshot, which keeps it from expiring. Done twice it does nothing.

        Raises:
            NotFoundError: there is no such table or snapshot.
            ConflictError: the tag names another snapshot, or the name is a branch.
        """

        commit(lambda: self._load(name), partial(set_tag, name, snapshot_id, tag), what=f"tagging table {name!r}")

    def tags(self, name: str) -> dict[str, int]:
        """Tags and the ids of their snapshots.

        Raises:
            NotFoundError: there is no such table.
        """
        return tags_of(self._load(name).metadata)

    def untag(self, name: str, tag: str) -> None:
        """Takes a tag away; its snapshot may expire from then on.

        Raises:
            NotFoundError: there is no such table or tag.
        """

        commit(lambda: self._load(name), partial(remove_tag, name, tag), what=f"removing a tag of table {name!r}")

    def reference(self, snapshot: Snapshot) -> TableReference:
        """All that reading a snapshot takes, as data that a worker can be handed.

        Raises:
            NotFoundError: the table or the snapshot is gone, or the table was made anew under the same name.
            ArtifactMissingError: a data file is gone.
        """
        table = self._load(snapshot.table)
        if str(table.metadata.table_uuid) != snapshot.table_uuid:
            raise NotFoundError(
                "table",
                snapshot.table,
                where=f"uuid {snapshot.table_uuid}",
                next_step="a table of the same name was made since; its snapshots are others",
            )
        return self._snapshots.reference(table, snapshot)

    def read(self, snapshot: Snapshot, *, threads: int | None = None) -> TableReader:
        """A reader of a snapshot in this process; see `reference` for its errors."""
        return TableReader(self.reference(snapshot), threads=threads)

    def expire_snapshots(self, name: str, older_than: datetime, keep: Collection[int] = ()) -> tuple[int, ...]:
        """Forgets old snapshots; never the current one, tagged ones, heads of branches, or those to keep.

        Only metadata shrinks: no file is removed.

        Args:
            name: the table.
            older_than: snapshots committed before this time may go.
            keep: ids that stay, such as pinned ones.

        Returns:
            The ids that went.

        Raises:
            NotFoundError: there is no such table.
        """
        return self.maintenance.expire(name, older_than=older_than, keep_snapshots=sys.maxsize, keep=lambda: keep)

    def _commit_files(
        self, name: str, table: Table, files: Sequence[DataFile], change: Callable[[Transaction], int], *, what: str
    ) -> Snapshot:
        try:
            after, snapshot_id = commit(lambda: self._same(name, table), change, what=what)
        except (ConflictError, NotFoundError):  # surely not committed; after any other error the files may be in use
            remove_files(table.io, files)
            raise
        made = after.metadata.snapshot_by_id(snapshot_id)
        assert made is not None
        return self._snapshots.record(after, name, made)

    def _same(self, name: str, expected: Table) -> Table:
        table = self._load(name)
        if table.metadata.table_uuid != expected.metadata.table_uuid:
            raise ConflictError(f"table {name!r} was dropped and made anew meanwhile", next_step="run it again")
        return table

    def _load(self, name: str) -> Table:
        try:
            return self._catalog.load_table(identifier(name))
        except NoSuchTableError:
            raise NotFoundError("table", name, known=names(self._catalog)) from None
        except FileNotFoundError as error:
            raise StorageError(
                f"the metadata of table {name!r} is missing: {error}", next_step="restore the warehouse's files"
            ) from None


def _exists(name: str) -> ConflictError:
    return ConflictError(f"table {name!r} exists", next_step="append to it, or drop it first")
