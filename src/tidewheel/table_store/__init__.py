"""Versioned tables: Apache Iceberg through PyIceberg, and SQL on their snapshots through DuckDB.

Importing this folder loads nothing heavy; a name is loaded when it is first used.

Example:
    >>> import tidewheel.table_store
    >>> sorted(tidewheel.table_store.__all__)[:3]
    ['MaintenancePolicy', 'MaintenanceResult', 'PyIcebergTableStore']
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tidewheel.table_store.duckdb_engine import run_sql as run_sql
    from tidewheel.table_store.duckdb_engine import tables_in as tables_in
    from tidewheel.table_store.maintenance import MaintenancePolicy as MaintenancePolicy
    from tidewheel.table_store.maintenance import MaintenanceResult as MaintenanceResult
    from tidewheel.table_store.pyiceberg_tables import PyIcebergTableStore as PyIcebergTableStore
    from tidewheel.table_store.table_reader import TableReader as TableReader
    from tidewheel.table_store.table_reference import TableFile as TableFile
    from tidewheel.table_store.table_reference import TableInfo as TableInfo
    from tidewheel.table_store.table_reference import TableReference as TableReference

_HOMES = {
    "MaintenancePolicy": "maintenance",
    "MaintenanceResult": "maintenance",
    "PyIcebergTableStore": "pyiceberg_tables",
    "TableFile": "table_reference",
    "TableInfo": "table_reference",
    "TableReader": "table_reader",
    "TableReference": "table_reference",
    "run_sql": "duckdb_engine",
    "tables_in": "duckdb_engine",
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
