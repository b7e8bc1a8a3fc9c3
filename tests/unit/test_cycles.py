"""No module reaches itself through imports, not even for types or inside functions."""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter

import pytest

from source_tree import Tree, read_tree, write_tree


def import_cycle(tree: Tree) -> list[str]:
    """The modules of one cycle in order, empty when there is none."""
    graph = {
        name: {found.target for found in tree.imports(module)} & tree.modules.keys() - {name}
        for name, module in tree.modules.items()
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_no_module_reaches_itself():
    assert import_cycle(read_tree()) == []


@pytest.mark.parametrize(
    "back",
    [
        pytest.param("import tidewheel.core.a", id="plain"),
        pytest.param("from . import a", id="relative"),
        pytest.param("def late():\n    from tidewheel.core.a import x", id="inside-a-function"),
        pytest.param("from tidewheel.core import name", id="through-the-folder"),
    ],
)
def test_the_rule_finds_a_cycle(tmp_path, back):
    files = {"core/__init__.py": "from tidewheel.core import a", "core/a.py": "from tidewheel.core.b import x"}
    assert import_cycle(write_tree(tmp_path, {**files, "core/b.py": ""})) == []
    assert "tidewheel.core.b" in import_cycle(write_tree(tmp_path, {**files, "core/b.py": back}))
