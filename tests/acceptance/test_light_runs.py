"""A run pays only for the libraries that its steps use, in all of its processes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = """
from tidewheel.pipeline import pipeline, step

@step
def load(*, package: str = "") -> list[str]:
    if package:
        __import__(package)
    return [package]

@pipeline
def light(*, package: str = ""):
    load(package=package)
"""
HEAVY = {"numpy", "pyarrow", "pandas", "sklearn", "mlflow", "pyiceberg", "duckdb", "onnxruntime", "matplotlib"}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "tidewheel.toml").write_text('[project]\nname = "light"\nmodules = ["light"]\n')
    (tmp_path / "light.py").write_text(PROJECT)
    return tmp_path


def imported_by(project: Path, *arguments: str) -> set[str]:
    """Top-level modules that the command and every process that it starts say they import."""
    done = subprocess.run(
        [sys.executable, "-m", "tidewheel", *arguments],
        cwd=project,
        env={**os.environ, "PYTHONPROFILEIMPORTTIME": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    logs = "".join(path.read_text() for path in project.rglob("log.txt"))
    return set(re.findall(r"^import time: .*\| +(\w+)", done.stderr + logs, re.MULTILINE))


def test_a_run_of_json_values_imports_no_library_of_data_or_models(project):
    imported = imported_by(project, "run", "light")
    assert "blake3" in imported
    assert imported & HEAVY == set()
    assert imported_by(project, "run", "light") & HEAVY == set()  # from the cache


def test_commands_on_a_current_workspace_import_neither_sqlalchemy_nor_alembic(project):
    assert "sqlalchemy" in imported_by(project, "run", "light")  # the first one makes the workspace
    for command in (["run", "light"], ["run", "light", "--package", "json"], ["runs"], ["status"]):
        assert imported_by(project, *command) & {"sqlalchemy", "alembic", "psycopg"} == set()


def test_the_rule_sees_what_a_step_imports(project):
    assert "numpy" in imported_by(project, "run", "light", "--package", "numpy")
