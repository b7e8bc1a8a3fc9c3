"""What integration tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tidewheel.core.errors import DeploymentError
from tidewheel.deployment.edge_runtime import runtime_files


@pytest.fixture(scope="session")
def edge_cache(tmp_path_factory) -> Path:
    """onnxruntime-web, taken by npm once; tests that need it are left out only where npm cannot bring it."""
    folder = Path(os.environ.get("TIDEWHEEL_TEST_CACHE", tmp_path_factory.mktemp("npm")))
    try:
        runtime_files(folder)
    except DeploymentError as error:
        pytest.skip(f"onnxruntime-web cannot be had here: {error.what}")
    return folder
