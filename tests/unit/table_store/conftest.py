"""One warehouse per test, in a temporary folder."""

from __future__ import annotations

import pyarrow as pa
import pytest

from tidewheel.table_store import PyIcebergTableStore


@pytest.fixture
def store(tmp_path):
    return PyIcebergTableStore.open(tmp_path / "tables")


@pytest.fixture
def flights():
    return pa.table({"carrier": ["UA", "AA", None], "delay": [2, -11, 40], "wind": [1.5, None, 3.25]})
