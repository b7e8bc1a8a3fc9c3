"""docs/tuning.md is typed here in its order: a notebook's cells, the module that they become, and the commands."""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sys
import textwrap

import pytest

from source_tree import ROOT

pytestmark = [pytest.mark.timeout(400), pytest.mark.slow]  # two searches and eight commands, each with its processes

TEXT = (ROOT / "docs" / "tuning.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
CELLS = "\n".join(code for kind, code in BLOCKS if kind == "python" and code.startswith(">>>"))
(MODULE,) = (code for kind, code in BLOCKS if kind == "python" and not code.startswith(">>>"))
BEGIN, COMMANDS = (code for kind, code in BLOCKS if kind == "sh")


def test_the_cells_are_in_the_module_as_they_are():
    examples = {example.source for example in doctest.DocTestParser().get_examples(CELLS)}
    kept = [one for one in examples if one.startswith(("SPACE =", "def fit"))]
    assert len(kept) == 2
    for one in kept:
        assert textwrap.dedent(one).strip() in MODULE


def test_the_page_does_what_it_says(tmp_path):
    (tmp_path / "bin").mkdir()
    for name, module in (("tidewheel", "-m tidewheel"), ("python", "")):
        path = tmp_path / "bin" / name
        path.write_text(f'#!/bin/sh\nexec {sys.executable} {module} "$@"\n')
        path.chmod(0o755)
    folder = tmp_path / "late"
    folder.mkdir()
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment = {**kept, "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}

    def run(script: str) -> str:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script], cwd=folder, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def type_in(cells: str) -> None:
        (tmp_path / "cells.txt").write_text(cells)
        flags = "doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE"
        place = str(tmp_path / "cells.txt")
        script = f"import doctest, sys; sys.path.insert(0, '.'); found = doctest.testfile({place!r}, "
        script += f"module_relative=False, optionflags={flags}); sys.exit(found.failed or not found.attempted)"
        run(f'python -W ignore -c "{script}"')

    run(BEGIN)
    before, after = CELLS.split(">>> found = workspace.experiments", 1)
    type_in(before)
    (folder / "late.py").write_text(MODULE)
    with (folder / "tidewheel.toml").open("a") as stream:
        stream.write("\n[mlflow]\nis_enabled = false\n")
    said = run(COMMANDS)
    assert "tuned_roc_auc" in said
    assert re.search(r"parameters +days +", said)
    page = (folder / "compared.html").read_text()
    assert page.count("<circle") == 16
    assert "<script" not in page
    type_in(">>> import tidewheel\n>>> workspace = tidewheel.open('.')\n>>> found = workspace.experiments" + after)
