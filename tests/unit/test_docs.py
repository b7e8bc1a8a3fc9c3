"""The pages agree with what is there: links lead somewhere, lists are complete, rows are those of the test."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from tidewheel.core.records.model_version import TRANSITIONS

from source_tree import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


def dead_links(page: Path) -> list[str]:
    """Relative targets of a page that are no file or folder."""
    targets = LINK.findall(page.read_text(encoding="utf-8"))
    return [target for target in targets if ":" not in target and not (page.parent / target).exists()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page):
    assert dead_links(page) == []


def test_a_dead_link_is_found(tmp_path):
    page = tmp_path / "a.md"
    page.write_text("[a](a.md) [b](missing.md#part) [c](http://127.0.0.1/)", encoding="utf-8")
    assert dead_links(page) == ["missing.md"]


def test_every_decision_is_in_the_index():
    folder = ROOT / "docs" / "decisions"
    listed = set(LINK.findall((folder / "index.md").read_text(encoding="utf-8")))
    assert listed == {page.name for page in folder.glob("[0-9]*.md")}


def test_the_architecture_page_draws_the_rows_of_the_layer_test():
    source = (ROOT / "tests/unit/test_layers.py").read_text(encoding="utf-8")
    rows: dict[str, object] = {}
    # Only the table is run: the test module itself belongs to pytest.
    exec(re.search(r"^ROWS: .*?^\)$", source, re.MULTILINE | re.DOTALL).group(), rows)
    page = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    drawn = re.findall(r"^(\d)  ([a-z_]+(?: \| [a-z_]+)*)", page, re.MULTILINE)
    assert [(int(number), tuple(row.split(" | "))) for number, row in reversed(drawn)] == list(
        enumerate(rows["ROWS"], 1)
    )


def test_make_help_lists_every_target_that_a_person_calls():
    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=120).stdout
    assert {"demo", "test", "test-all", "lint", "bench", "clean", "requirements"} <= set(
        re.findall(r"make ([a-z-]+)", shown)
    )


def test_each_declared_dependency_is_resolved_with_a_hash():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extras = project["project"]["optional-dependencies"].values()
    development = [*project["dependency-groups"]["dev"], *(one for extra in extras for one in extra)]
    for file, declared in {
        "runtime": project["project"]["dependencies"],
        "dev": project["project"]["dependencies"] + development,
    }.items():
        text = (ROOT / f"requirements/{file}.txt").read_text(encoding="utf-8")
        resolved = set(re.findall(r"^([a-z0-9-]+)(?:\[[a-z,-]+\])?==[^\n]*\\\n    --hash=sha256:", text, re.MULTILINE))
        assert {re.match(r"[a-z0-9-]+", one).group() for one in declared} <= resolved


def test_the_page_on_models_states_the_transitions_of_the_code():
    page = (ROOT / "docs/models.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \| ([^|]+) \|$", page, re.MULTILINE)
    assert {state: set(re.findall(r"`(\w+)`", told)) for state, told in rows} == {
        state: set(found) for state, found in TRANSITIONS.items()
    }
