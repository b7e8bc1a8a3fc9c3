"""A product's library is imported only in files, or folders, named after the product."""

from __future__ import annotations

import pytest

from source_tree import Module, Tree, read_tree, write_tree

# Library -> the words by which a file may be named after it.
PRODUCTS: dict[str, tuple[str, ...]] = {
    "adbc": ("adbc",),
    "alembic": ("alembic",),
    "bentoml": ("bentoml",),
    "docker": ("docker",),
    "duckdb": ("duckdb",),
    "kfp": ("kfp", "kubeflow"),
    "mlflow": ("mlflow",),
    "onnxmltools": ("onnxmltools",),
    "onnxruntime": ("onnxruntime", "onnx_runtime"),
    "optuna": ("optuna",),
    "pandera": ("pandera",),
    "psycopg": ("psycopg", "postgresql"),
    "pyiceberg": ("pyiceberg", "iceberg"),
    "ray": ("ray",),
    "redis": ("redis",),
    "skl2onnx": ("skl2onnx",),
    "sqlalchemy": ("sqlalchemy",),
}
# The tables and their migrations are written on the two; the stores speak SQL (decision 0002).
SCHEMA = {"metadata_store/tables.py", "metadata_store/sqlalchemy_schema.py"}
MIGRATIONS = "metadata_store/migrations/"


def product_of(target: str) -> str | None:
    """The listed product that a module belongs to; ADBC is split over distributions `adbc_driver_*`."""
    head = target.split(".")[0]
    head = "adbc" if head.startswith("adbc_") else head
    return head if head in PRODUCTS else None


def is_named_after(module: Module, product: str) -> bool:
    """Whole words of the file's or a folder's name count: `ray.py` and `ray_cluster.py`, but not `array.py`."""
    names = [f"_{part}_" for part in (*module.path.parts[:-1], module.path.stem)]
    return any(f"_{word}_" in name for word in PRODUCTS[product] for name in names)


def is_schema(module: Module, product: str) -> bool:
    """Whether a file defines, creates or migrates the tables of facts."""
    path = module.path.as_posix()
    return product in ("sqlalchemy", "alembic") and (path in SCHEMA or path.startswith(MIGRATIONS))


def sdk_problems(tree: Tree) -> list[str]:
    """One line for each import of a product outside its files."""
    problems = []
    for module in tree.modules.values():
        for found in tree.imports(module):
            product = product_of(found.target)
            if product is None or is_schema(module, product) or is_named_after(module, product):
                continue
            problems.append(f"{module.path}:{found.line} imports {found.target}; only files named {product!r} may")
    return problems


def test_products_stay_in_their_files():
    assert sdk_problems(read_tree()) == []


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("table_store/table.py", "import duckdb"),
        ("table_store/table.py", "from pyiceberg.catalog import load_catalog"),
        ("core/config.py", "def late():\n    from sqlalchemy import text"),
        ("model_registry/store.py", "from sqlalchemy import text"),
        ("workspace/array.py", "import ray"),
        ("table_store/sql.py", "import adbc_driver_flightsql.dbapi"),
        ("model_package/onnx.py", "import onnxruntime"),
        ("model_registry/projector.py", "import importlib\nimportlib.import_module('mlflow.tracking')"),
        ("metadata_store/runs.py", "import mlflow"),
        ("metadata_store/runs.py", "from sqlalchemy import text"),
        ("metadata_store/pool.py", "def late():\n    import psycopg"),
        ("metadata_store/tables.py", "import mlflow"),
    ],
)
def test_the_rule_finds(tmp_path, path, source):
    assert len(sdk_problems(write_tree(tmp_path, {path: source}))) == 1


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("table_store/duckdb.py", "import duckdb"),
        ("table_store/duckdb_engine.py", "import duckdb"),
        ("table_store/duckdb/engine.py", "import duckdb"),
        ("table_store/iceberg_table.py", "import pyiceberg.table"),
        ("table_store/flight_sql_adbc.py", "import adbc_driver_manager"),
        ("metadata_store/tables.py", "from sqlalchemy import Table"),
        ("metadata_store/postgresql.py", "import psycopg"),
        ("metadata_store/migrations/env.py", "from alembic import context"),
        ("table_store/table.py", "from tidewheel.table_store import duckdb"),
        ("table_store/table.py", "from .duckdb import Engine"),
        ("statistics/profile.py", "import numpy, pyarrow, pandas, sklearn"),
    ],
)
def test_the_rule_lets_pass(tmp_path, path, source):
    assert sdk_problems(write_tree(tmp_path, {path: source, "table_store/__init__.py": ""})) == []
