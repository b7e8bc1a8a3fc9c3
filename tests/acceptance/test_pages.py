"""What the README and the page on Python show is typed here, in this order, and gives what they say."""

from __future__ import annotations

import contextlib
import doctest
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import tidewheel
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


def tell(line: str, folder: Path) -> str:
    """What a `tidewheel` command says; in this process: as many more would cost a second each for what they import."""
    with contextlib.chdir(folder):
        said = CliRunner().invoke(app, shlex.split(line, comments=True)[1:])
    assert (said.exit_code, bool(said.output.strip())) == (0, True), line
    return said.output


@pytest.fixture(scope="module")
def late(shell):
    """The README's own project after its commands, and what they said; the first and what is piped by the shell."""
    (_, begin), (_, code), (_, commands) = BLOCK.findall(section("A project of your own"))
    shell(begin)
    folder = shell.home / "late"
    (folder / "late.py").write_text(code)
    lines = commands.splitlines()
    is_typed = {line: line == lines[0] or "|" in line for line in lines}
    return folder, {line: shell(line, folder) if is_typed[line] else tell(line, folder) for line in lines}


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


def test_the_page_on_python_is_a_notebook_that_runs(late, monkeypatch):
    folder, _ = late
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(".")
    monkeypatch.delitem(sys.modules, "late", raising=False)
    text = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    cells = folder.parent / "cells.txt"
    cells.write_text("\n".join(code for _, code in BLOCK.findall(text)))
    done = doctest.testfile(
        str(cells), module_relative=False, optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    )
    sys.modules.pop("late")
    assert (done.failed, done.attempted > 40) == (0, True)


def test_the_tour_says_the_same_in_the_shell_and_in_python(late, monkeypatch):
    folder, _ = late
    rows = TOUR.findall(section("The tour"))
    assert len(rows) == 19
    monkeypatch.chdir(folder)
    with tidewheel.open(".") as workspace:
        for command, python in rows:
            assert eval(python, {"workspace": workspace}) is not None, python
            tell(command, folder)


def test_the_two_commands_of_the_readme_are_targets_of_make():
    commands = [code.strip() for kind, code in BLOCK.findall(section("See it")) if kind == "sh"]
    assert commands == ["make demo", "make test"]
    for command in commands:
        subprocess.run([*command.split(), "--dry-run"], cwd=ROOT, check=True, capture_output=True, timeout=120)
