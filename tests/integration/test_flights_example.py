"""The flights example holds as a project of its own: its tests pass where a user would run them, on the real year.

The data is downloaded once into `.cache` of this repository.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "flights"


@pytest.fixture(scope="session")
def cache() -> Path:
    """Kept between test sessions, ignored by Git."""
    folder = ROOT / ".cache" / "flights"
    folder.mkdir(parents=True, exist_ok=True)
    (ROOT / ".cache" / ".gitignore").write_text("*\n")
    return folder


def run_in_example(cache: Path, *arguments: str, is_warm: bool = False) -> subprocess.CompletedProcess[str]:
    """Its tests where a user would run them; warm, their workspaces share fork servers as those of our tests do."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment = {**inherited, "FLIGHTS_CACHE": str(cache)}
    if is_warm:
        environment["PYTHONPATH"] = str(ROOT / "tests")
        arguments = ("-p", "warm_servers", *arguments)
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments],
        cwd=EXAMPLE,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.timeout(300)
def test_the_examples_own_tests_pass(cache: Path) -> None:
    done = run_in_example(cache, "-m", "not real_data", is_warm=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_its_claims_hold_on_the_real_year(cache: Path) -> None:
    """Among them: 8,255 cancelled, 9,430 without arrival, 15.6 % without plane, 4 destinations, a wind of 1,048 mph."""
    done = run_in_example(cache, "-rs", "-m", "real_data", "tests")
    assert done.returncode == 0, done.stdout + done.stderr
    if " passed" not in done.stdout.splitlines()[-1]:
        pytest.skip("the data could not be had: " + done.stdout.splitlines()[-2])
