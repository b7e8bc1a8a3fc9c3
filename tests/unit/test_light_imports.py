"""Start-up is the bill of a short command: what must be light loads nothing heavy, seen in a fresh interpreter."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from source_tree import SOURCE

HEAVY = {
    "alembic", "duckdb", "fastapi", "lightgbm", "matplotlib", "mlflow", "numpy", "onnx", "onnxruntime", "pandas",
    "polars", "psycopg", "pyarrow", "pyiceberg", "scipy", "skl2onnx", "sklearn", "skops", "sqlalchemy", "uvicorn",
}  # fmt: skip
NOT_FOR_SERVING = {"duckdb", "mlflow", "pyiceberg", "sklearn"}


def loaded_by(statement: str) -> set[str]:
    """The top-level modules that a fresh interpreter holds after one statement."""
    program = (
        f"{statement}\nimport json, sys\nprint(json.dumps(sorted({{name.split('.')[0] for name in sys.modules}})))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


def needs(folder: str) -> pytest.MarkDecorator:
    """Skip only as long as the folder is not written."""
    return pytest.mark.skipif(not (SOURCE / folder / "__init__.py").exists(), reason=f"{folder} does not exist yet")


def test_the_package_loads_nothing_heavy():
    assert loaded_by("import tidewheel") & HEAVY == set()


@needs("cli")
def test_the_command_line_loads_nothing_heavy():
    assert loaded_by("import tidewheel.cli") & HEAVY == set()


@needs("metadata_store")
def test_the_stores_of_facts_load_nothing_heavy():
    assert loaded_by("import tidewheel.metadata_store") & HEAVY == set()


@needs("prediction_service")
def test_serving_loads_no_training_or_table_library():
    assert loaded_by("import tidewheel.prediction_service") & NOT_FOR_SERVING == set()
    with_views = "import tidewheel.prediction_service.server, tidewheel.prediction_service.view_inputs"
    on_demand = "import tidewheel.feature_store.expression, tidewheel.feature_store.request_arrays"
    assert loaded_by(f"{with_views}\n{on_demand}") & NOT_FOR_SERVING == set()


def test_the_rule_sees_what_is_loaded():
    assert "sqlite3" in loaded_by("import sqlite3")
    assert "sqlite3" not in loaded_by("pass")
