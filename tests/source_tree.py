"""The package read as data: its modules and what they import, without running any of it.

The structure tests share this; each of them also runs on a small bad tree, so that a rule which stopped biting shows.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

PACKAGE = "tidewheel"
ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / PACKAGE


@dataclass(frozen=True)
class Import:
    """One imported name, resolved to a module: absolute, whatever form the source used."""

    target: str
    line: int


@dataclass(frozen=True)
class Module:
    """One file: its dotted name, its path below the package's folder, and its syntax tree."""

    name: str
    path: Path
    tree: ast.Module
    text: str

    @property
    def folder(self) -> str:
        """The first folder below the package, empty for a file in the package's root."""
        return self.path.parts[0] if len(self.path.parts) > 1 else ""

    @property
    def is_package(self) -> bool:
        return self.path.name == "__init__.py"


@dataclass(frozen=True)
class Tree:
    """All modules of a package, by dotted name."""

    modules: dict[str, Module]

    def imports(self, module: Module) -> Iterator[Import]:
        """Every import: top level, nested in functions, under TYPE_CHECKING, relative, and by literal name."""
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    yield Import(alias.name, node.lineno)
            elif isinstance(node, ast.ImportFrom):
                base = _absolute(module, node)
                for alias in node.names:
                    inner = f"{base}.{alias.name}"
                    # `from a import b` reaches module a.b if there is one, else a name inside a.
                    yield Import(inner if self._is_module(inner) else base, node.lineno)
            elif isinstance(node, ast.Call) and (literal := _literal_import(node)):
                yield Import(literal, node.lineno)

    def _is_module(self, name: str) -> bool:
        return name in self.modules or name in self._folders

    @cached_property
    def _folders(self) -> set[str]:
        """The dotted names above those of modules."""
        parts = [name.split(".") for name in self.modules]
        return {".".join(part[:length]) for part in parts for length in range(1, len(part))}


@cache
def read_tree() -> Tree:
    """This package, parsed once for all rules."""
    return _parse(SOURCE)


def _parse(folder: Path) -> Tree:
    """Every Python file below a package's folder, whose name stands for the package."""
    modules = {}
    for file in sorted(folder.rglob("*.py")):
        path = file.relative_to(folder)
        parts = path.with_suffix("").parts
        name = ".".join((PACKAGE, *(parts[:-1] if parts[-1] == "__init__" else parts)))
        text = file.read_text(encoding="utf-8")
        modules[name] = Module(name, path, ast.parse(text, filename=str(file)), text)
    return Tree(modules)


def write_tree(folder: Path, files: dict[str, str]) -> Tree:
    """A small package from file contents, for showing a rule what it must find."""
    for path, text in files.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return _parse(folder)


def _absolute(module: Module, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    package = module.name.split(".") if module.is_package else module.name.split(".")[:-1]
    package = package[: len(package) - (node.level - 1)]
    return ".".join([*package, *([node.module] if node.module else [])])


def _literal_import(node: ast.Call) -> str:
    """The module of `importlib.import_module("x")`, `import_module("x")` or `__import__("x")`, else empty."""
    function = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    if function not in {"import_module", "__import__"} or not node.args:
        return ""
    first = node.args[0]
    return first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else ""
