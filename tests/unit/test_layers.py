"""Imports run downwards only; folders of one row never import each other (docs/architecture.md)."""

from __future__ import annotations

import pytest

from source_tree import PACKAGE, Tree, read_tree, write_tree

ROWS: tuple[tuple[str, ...], ...] = (
    ("core",),
    ("artifact_store", "table_store", "statistics", "pipeline", "model_package"),
    ("metadata_store",),
    ("feature_store", "model_registry", "prediction_log", "source_repository"),
    ("steps",),
    ("orchestrator", "deployment", "prediction_service", "monitoring", "triggers"),
    ("workspace",),
    ("loop", "test_and_build"),
    ("cli", "ui"),
)
LEVEL = {folder: level for level, row in enumerate(ROWS, start=1) for folder in row}
# The root holds only the public names and `python -m tidewheel`; testing may use everything and is used by nobody.
ROOT_FILES = {"__init__.py", "__main__.py"}
ABOVE_ALL = {"": 10, "testing": 11}


def layer_problems(tree: Tree) -> list[str]:
    """One line for each file in no layer and each import that does not go down."""
    problems = []
    for module in tree.modules.values():
        level = (LEVEL | ABOVE_ALL).get(module.folder)
        if level is None or (not module.folder and module.path.name not in ROOT_FILES):
            problems.append(f"{module.path} is in no layer")
            continue
        for found in tree.imports(module):
            head, _, rest = found.target.partition(".")
            folder = rest.split(".")[0]
            if head != PACKAGE or folder == module.folder:
                continue
            if (LEVEL | ABOVE_ALL).get(folder, 99) >= level:
                problems.append(f"{module.path}:{found.line} imports {found.target}, which is not below it")
    return problems


def test_every_import_goes_down():
    assert layer_problems(read_tree()) == []


@pytest.mark.parametrize(
    ("path", "source"),
    [
        pytest.param("core/a.py", "import tidewheel.pipeline.step", id="up"),
        pytest.param("core/a.py", "from tidewheel import pipeline", id="up-from-the-root"),
        pytest.param("core/a.py", "from ..pipeline import step", id="up-relative"),
        pytest.param("core/a.py", "def late():\n    import tidewheel.pipeline", id="up-inside-a-function"),
        pytest.param(
            "core/a.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from tidewheel.pipeline.step import Step",
            id="up-for-types-only",
        ),
        pytest.param("core/a.py", "import importlib\nimportlib.import_module('tidewheel.cli')", id="up-by-name"),
        pytest.param("statistics/a.py", "from tidewheel.pipeline import step", id="across-one-row"),
        pytest.param("core/a.py", "import tidewheel", id="the-public-names"),
        pytest.param("cli/a.py", "import tidewheel.testing", id="the-test-suites"),
        pytest.param("helpers/a.py", "", id="unknown-folder"),
        pytest.param("attic.py", "", id="file-in-the-root"),
    ],
)
def test_the_rule_finds(tmp_path, path, source):
    tree = write_tree(tmp_path, {"__init__.py": "", "pipeline/__init__.py": "", "pipeline/step.py": "", path: source})
    assert len(layer_problems(tree)) == 1


def test_the_rule_lets_pass_what_goes_down(tmp_path):
    tree = write_tree(
        tmp_path,
        {
            "__init__.py": "from tidewheel.workspace import open",
            "core/__init__.py": "",
            "core/a.py": "from .b import c\nimport json",
            "core/b.py": "from tidewheel.core import a",
            "workspace/__init__.py": "from ..core.a import x\nfrom tidewheel import core",
            "testing/suite.py": "import tidewheel.workspace, tidewheel",
        },
    )
    assert layer_problems(tree) == []
