"""Opens the catalog of tables: PyIceberg's SQL catalog on SQLite, or any other that PyIceberg knows."""

from __future__ import annotations

import contextlib
import fcntl
import re
import sqlite3
from collections.abc import Mapping
from pathlib import Path

from pyiceberg.catalog import Catalog, load_catalog
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import NamespaceAlreadyExistsError

from tidewheel.core.errors import ParameterError, StorageError
from tidewheel.core.write_ahead_log import use_write_ahead_log
from tidewheel.table_store.pyiceberg_commit import storage_errors

NAMESPACE = "tidewheel"
QUARANTINE = "quarantine"
"""The namespace of the tables that hold rows which broke a contract."""

_BUSY_TIMEOUT_S = 30
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*(\.[A-Za-z_][A-Za-z0-9_-]*)*")


def open_catalog(warehouse: Path, properties: Mapping[str, str] | None) -> Catalog:
    """The catalog of a warehouse, with the namespace in which names without a dot lie.

    Args:
        warehouse: the folder; made when missing.
        properties: PyIceberg's own properties of another catalog; by default the catalog is a file in the folder.

    Raises:
        StorageError: the folder or the catalog cannot be opened.
    """
    with storage_errors(f"opening the tables in {warehouse}"):
        warehouse.mkdir(parents=True, exist_ok=True)
        # PyIceberg looks for its tables and then makes them: two processes that open a new warehouse would collide.
        with open(warehouse / "catalog.lock", "a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            catalog = load_catalog(NAMESPACE, **properties) if properties else _sqlite_catalog(warehouse)
            for namespace in (NAMESPACE, QUARANTINE):
                with contextlib.suppress(NamespaceAlreadyExistsError):
                    if not catalog.namespace_exists(namespace):
                        catalog.create_namespace(namespace)
    return catalog


def identifier(name: str) -> str:
    """What the catalog calls a table.

    Raises:
        ParameterError: the name has characters that a path or a query could trip over.
    """
    if not _NAME.fullmatch(name):
        raise ParameterError(
            f"{name!r} is no name of a table", next_step="use letters, digits and underscores, such as flights_2013"
        )
    return name if "." in name else f"{NAMESPACE}.{name}"


def names(catalog: Catalog) -> list[str]:
    """All tables, as `identifier` takes them."""
    return sorted(
        ".".join(found).removeprefix(f"{NAMESPACE}.")
        for namespace in catalog.list_namespaces()
        for found in catalog.list_tables(namespace)
    )


def drop_unchanged(catalog: Catalog, name: str, metadata_location: str) -> bool:
    """Takes a table out of the catalog if nobody has changed it since its metadata was read. Atomic.

    PyIceberg drops by name alone, whatever another writer has put into the table meanwhile.

    Returns:
        Whether it went; False as well for other catalogs than SQLite, which cannot drop under a condition.

    Raises:
        StorageError: the catalog refused.
    """
    if not isinstance(catalog, SqlCatalog) or catalog.engine.dialect.name != "sqlite":
        return False
    namespace, _, short = identifier(name).rpartition(".")
    statement = """delete from iceberg_tables
        where catalog_name = ? and table_namespace = ? and table_name = ? and metadata_location = ?"""
    with storage_errors(f"dropping table {name!r}"), catalog.engine.begin() as connection:
        arguments = (catalog.name, namespace, short, metadata_location)
        return bool(connection.exec_driver_sql(statement, arguments).rowcount)


def _sqlite_catalog(warehouse: Path) -> Catalog:
    path = warehouse / "catalog.db"
    try:
        # The journal mode is a property of the file; PyIceberg leaves it at `delete`, where readers block writers.
        with contextlib.closing(sqlite3.connect(path, timeout=_BUSY_TIMEOUT_S)) as connection:
            use_write_ahead_log(connection, timeout_s=_BUSY_TIMEOUT_S)
    except sqlite3.Error as error:
        raise StorageError(
            f"the catalog {path} cannot be opened: {error}", next_step="check that it is a writable SQLite file"
        ) from error
    return SqlCatalog(NAMESPACE, uri=f"sqlite:///{path}?timeout={_BUSY_TIMEOUT_S}", warehouse=str(warehouse))
