"""The package in a fresh process of the environment where it will run: packages, expected answers, what it costs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tidewheel.core.errors import SchemaMismatchError
from tidewheel.core.records import Check
from tidewheel.core.threads import thread_variables
from tidewheel.model_package import Package
from tidewheel.model_package.measurement import MEMORY_BYTES
from tidewheel.pipeline.gate import Gate

_MODULE = "tidewheel.model_package.measurement"
_TIMEOUT_S = 300.0
_NOT_FOR_ANSWERS = frozenset({"onnx"})
"""Libraries that make packages and are not needed to answer."""


def package_checks(package: Package, gate: Gate) -> list[Check]:
    """Opens the package in a fresh process and judges what that process tells.

    Raises:
        SchemaMismatchError: the environment cannot run it at all.
    """
    facts = measured(package, gate.environment or sys.executable)
    checks = [_environment(facts), _answers(facts)]
    limits = (
        ("latency_p99_ms", gate.budget.latency_p99_ms, "one row takes {:.3g} ms at the 99th percentile"),
        ("size_mb", gate.budget.size_mb, "the package has {:.3g} MB"),
        ("memory_mb", gate.budget.memory_mb, "a process that answers holds {:.4g} MB at its peak"),
    )
    for name, limit, words in limits:
        if limit is not None:
            passed = facts[name] <= limit
            told = words.format(facts[name]) + (f", within {limit:g}" if passed else f", more than {limit:g}")
            checks.append(
                Check(
                    name=f"budget {name}", passed=passed, metric=name, value=facts[name], reference=limit, message=told
                )
            )
    return checks


def measured(package: Package, python: str, *, memory_bytes: int = MEMORY_BYTES) -> dict[str, Any]:
    """What a fresh process of one thread tells about a package; see `model_package.measurement`.

    Args:
        python: the interpreter of the environment.
        memory_bytes: what that process may hold.

    Raises:
        SchemaMismatchError: it cannot run there, with the reason.
    """
    with tempfile.TemporaryDirectory(prefix="tidewheel-gate-") as folder:
        path = Path(folder) / "package"
        with path.open("wb") as stream:
            package.write(stream)
        try:
            done = subprocess.run(
                [python, "-P", "-m", _MODULE, str(path), str(memory_bytes)],
                capture_output=True,
                text=True,
                env=os.environ | thread_variables(1),
                timeout=_TIMEOUT_S,
                check=False,
                cwd=folder,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise SchemaMismatchError(f"{python} cannot run the package: {error}") from None
    last = done.stdout.strip().splitlines()[-1:]
    try:
        facts: dict[str, Any] = json.loads(last[0])
    except (IndexError, ValueError):
        told = (done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"])[-1]
        raise SchemaMismatchError(f"{python} cannot run the package: {told}") from None
    if "error" in facts:
        raise SchemaMismatchError(f"{python} cannot run the package: {facts['error']}")
    return facts


def _environment(facts: dict[str, Any]) -> Check:
    """Are the libraries that answer installed; other versions are told, the expected answers judge them."""
    needed = {name: pair for name, pair in facts["libraries"].items() if name not in _NOT_FOR_ANSWERS}
    missing = [f"{name} {made}" for name, (made, here) in needed.items() if here is None]
    others = [f"{name} {here} (made with {made})" for name, (made, here) in needed.items() if here not in (None, made)]
    told = f"Python {facts['python']}, " + (", ".join(f"{name} {here}" for name, (_, here) in needed.items()))
    if others:
        told += f"; other versions: {', '.join(others)}"
    if missing:
        told = f"the environment lacks {', '.join(missing)}"
    return Check(name="packages of the environment", passed=not missing, message=told)


def _answers(facts: dict[str, Any]) -> Check:
    passed = facts["difference"] <= facts["tolerance"]
    told = f"the answers to the stored examples differ by {facts['difference']:.3g}"
    return Check(
        name="expected answers",
        passed=passed,
        metric="difference",
        value=facts["difference"],
        reference=facts["tolerance"],
        message=told if passed else f"{told}, more than {facts['tolerance']:.3g}",
    )
