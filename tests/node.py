"""Node for tests of an edge bundle."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest


def in_node(bundle: Path, *arguments: str, is_quick: bool = True) -> subprocess.CompletedProcess[str]:
    """The bundle's own check.

    V8 compiles ONNX Runtime twice, and its optimising compiler takes four times as long as all else that a test of some
    rows needs: a quick check goes without it.
    """
    node = shutil.which("node") or pytest.skip("node is not installed")
    options = _without_optimiser(node) if is_quick else ()
    return subprocess.run(
        [node, *options, "check.mjs", *arguments], cwd=bundle, capture_output=True, text=True, timeout=200
    )


@cache
def _without_optimiser(node: str) -> tuple[str, ...]:
    """The option that says so, where this Node knows it."""
    options = ("--liftoff-only",)
    return options if subprocess.run([node, *options, "--version"], capture_output=True).returncode == 0 else ()
