"""The figures of good style that a machine can hold: sizes, annotations, and docstrings that add something."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from source_tree import Module, Tree, read_tree, write_tree

FILE_LINES = 600
FUNCTION_LINES = 80
# Words that carry nothing by themselves, so that "Get the local SQL url." says no more than its name.
EMPTY_WORDS = frozenset(
    "a an and as at by for from get gets give gives in into is it its of on or return returns set the to with".split()
)

Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(node: ast.AST) -> Iterator[Function]:
    for inner in ast.walk(node):
        if isinstance(inner, Function):
            yield inner


def public_functions(module: Module) -> Iterator[Function]:
    """Functions of the file and methods of its public classes, without those under an underscore."""
    for node in module.tree.body:
        inner = node.body if isinstance(node, ast.ClassDef) and not node.name.startswith("_") else [node]
        yield from (one for one in inner if isinstance(one, Function) and not one.name.startswith("_"))


def lines_of(function: Function) -> int:
    """Lines of signature and code; a docstring may be as long as its examples need."""
    text = function.body[0] if ast.get_docstring(function, clean=False) is not None else None
    return function.end_lineno - function.lineno + 1 - (text.end_lineno - text.lineno + 1 if text else 0)


def is_annotated(function: Function) -> bool:
    given = function.args
    named = [*given.posonlyargs, *given.args, *given.kwonlyargs, *filter(None, (given.vararg, given.kwarg))]
    return function.returns is not None and all(one.annotation or one.arg in {"self", "cls"} for one in named)


def is_overload(node: Function | ast.ClassDef) -> bool:
    """Whether this is one typing of a function whose docstring stands at the last one."""
    names = (getattr(one, "id", getattr(one, "attr", "")) for one in node.decorator_list)
    return "overload" in names


def adds_something(node: Function | ast.ClassDef) -> bool:
    """Whether the docstring has a word that neither the name nor the grammar already gave."""
    if is_overload(node):
        return True
    words = set(re.findall(r"[a-z0-9]+", (ast.get_docstring(node) or "").lower()))
    name = set(re.findall(r"[a-z0-9]+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", node.name).lower()))
    return bool(words - name - {f"{word}s" for word in name} - EMPTY_WORDS)


def style_problems(tree: Tree) -> list[str]:
    """One line per finding, each with its place."""
    problems = []
    for module in tree.modules.values():
        count = len(module.text.splitlines())
        if count > FILE_LINES:
            problems.append(f"{module.path} has {count} lines, more than {FILE_LINES}")
        for function in functions(module.tree):
            if lines_of(function) > FUNCTION_LINES:
                problems.append(
                    f"{module.path}:{function.lineno} {function.name} is longer than {FUNCTION_LINES} lines"
                )
        if module.folder == "testing" or module.path.stem.startswith("test_"):
            continue
        for function in public_functions(module):
            if not is_annotated(function):
                problems.append(f"{module.path}:{function.lineno} {function.name} is not annotated")
        for node in module.tree.body:
            if isinstance(node, Function | ast.ClassDef) and not node.name.startswith("_") and not adds_something(node):
                problems.append(f"{module.path}:{node.lineno} {node.name} has no docstring, or one that adds nothing")
    return problems


def folders_without_init(tree: Tree) -> list[str]:
    """Folders that hold modules but are no package: type checker and doctests would miss them."""
    folders = {module.path.parent for module in tree.modules.values()}
    packages = {module.path.parent for module in tree.modules.values() if module.is_package}
    return sorted(str(folder) for folder in folders - packages)


def test_sizes_annotations_and_docstrings():
    assert style_problems(read_tree()) == []


def test_every_folder_is_a_package():
    assert folders_without_init(read_tree()) == []


LONG = 'def f() -> None:\n    """Makes tea."""\n' + "    pass\n"
DOCUMENTED = '    """Makes tea."""\n'


@pytest.mark.parametrize(
    ("source", "finding"),
    [
        pytest.param("x = 1\n" * 601, "601 lines", id="long-file"),
        pytest.param(LONG + "    pass\n" * 80, "longer than 80", id="long-function"),
        pytest.param("def f(x) -> None:\n" + DOCUMENTED, "not annotated", id="argument-without-type"),
        pytest.param("def f(x: int):\n" + DOCUMENTED, "not annotated", id="result-without-type"),
        pytest.param("class A:\n" + DOCUMENTED + "    def f(self, *x): ...", "not annotated", id="method"),
        pytest.param("def f() -> None: ...", "no docstring", id="no-docstring"),
        pytest.param('class TidePool:\n    """The tide pool."""', "adds nothing", id="name-said-again"),
        pytest.param('def url_of(x: int) -> None:\n    """Gets the url of."""', "adds nothing", id="verb-and-name"),
    ],
)
def test_the_rule_finds(tmp_path, source, finding):
    problems = style_problems(write_tree(tmp_path, {"core/a.py": source}))
    assert len(problems) == 1
    assert finding in problems[0]


def test_the_rule_lets_pass(tmp_path):
    source = LONG + "    pass\n" * 70 + "def _private(x): ...\nclass _Row:\n    def f(self): ...\n"
    source += "@typing.overload\ndef g(x: int) -> int: ...\n"
    tree = write_tree(tmp_path, {"core/a.py": source})
    assert style_problems(tree) == []
    assert folders_without_init(tree) == ["core"]
