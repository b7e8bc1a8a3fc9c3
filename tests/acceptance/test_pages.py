"""What the README and the page on Python show is typed here, in this order, and gives what they say."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from tidewheel.cli.app import app

from source_tree import ROOT

pytestmark = pytest.mark.timeout(300)  # a dozen commands, each a process of its own

BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TOUR = re.compile(r"^\| [^|]+ \| `(tidewheel [^|]+)` \| `(workspace\.[^|]+)` \|$", re.MULTILINE)


def section(title: str) -> str:
    """A section of the README."""
    return (ROOT / "README.md").read_text(encoding="utf-8").partition(f"## {title}\n")[2].partition("\n## ")[0]


@pytest.fixture(scope="module")
def shell(tmp_path_factory):
    """A person's shell: `tidewheel` and `python` are those of this environment."""
    home = tmp_path_factory.mktemp("home")
    (home / "bin").mkdir()
    for name, module in (("tidewheel", "-m tidewheel"), ("python", "")):
        path = home / "bin" / name
        path.write_text(f'#!/bin/sh\nexec {sys.executable} {module} "$@"\n')
        path.chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment = {**kept, "PATH": f"{home / 'bin'}:{os.environ['PATH']}"}

    def run(script: str, folder: Path = home) -> str:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script], cwd=folder, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    run.home = home
    return run


@pytest.fixture(scope="module")
def late(shell):
    """The README's own project after its commands, and what they said."""
    (_, begin), (_, code), (_, commands) = BLOCK.findall(section("A project of your own"))
    shell(begin)
    folder = shell.home / "late"
    (folder / "late.py").write_text(code)
    return folder, {line: shell(line, folder) for line in commands.splitlines()}


def test_the_project_of_the_readme_does_what_its_comments_say(late):
    _, said = late
    again = next(text for line, text in said.items() if line.startswith("tidewheel run training  "))
    assert re.findall(r"(succeeded|cached) +(\w+)", again)[:3] == [
        ("succeeded", "flights"),
        ("cached", "features"),
        ("succeeded", "train"),
    ]
    line, why = next((line, text) for line, text in said.items() if "why-rerun" in line)
    assert why.strip() == line.partition("# ")[2]
    assert "is down" in said["tidewheel undeploy delay"]


def test_the_page_on_python_is_a_notebook_that_runs(late, shell):
    folder, _ = late
    text = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    cells = folder.parent / "cells.txt"
    cells.write_text("\n".join(code for _, code in BLOCK.findall(text)))
    script = (
        "import doctest, sys; sys.path.insert(0, '.'); flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE; "
        f"done = doctest.testfile({str(cells)!r}, module_relative=False, optionflags=flags); "
        "sys.exit(done.failed or not done.attempted > 40)"
    )
    shell(f'python -c "{script}"', folder)


def test_the_tour_says_the_same_in_the_shell_and_in_python(late, shell):
    folder, _ = late
    rows = TOUR.findall(section("The tour"))
    assert len(rows) == 17
    lines = "\n".join(f"print({python!r}, {python} is not None)" for _, python in rows)
    (folder / "tour.py").write_text(f"import tidewheel\nworkspace = tidewheel.open('.')\n{lines}\n")
    assert shell("python tour.py", folder).count(" True\n") == len(rows)
    for command, _ in rows:  # in this process: as many more would cost a second each for what they import
        with contextlib.chdir(folder):
            said = CliRunner().invoke(app, shlex.split(command)[1:])
        assert (said.exit_code, bool(said.output.strip())) == (0, True), command


def test_the_two_commands_of_the_readme_are_targets_of_make():
    commands = [code.strip() for kind, code in BLOCK.findall(section("See it")) if kind == "sh"]
    assert commands == ["make demo", "make test"]
    for command in commands:
        subprocess.run([*command.split(), "--dry-run"], cwd=ROOT, check=True, capture_output=True, timeout=30)
