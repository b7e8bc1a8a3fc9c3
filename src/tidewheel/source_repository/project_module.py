"""One module of a project: its top-level statements, and which names they bind."""

from __future__ import annotations

import ast
import re
import warnings
from functools import cached_property
from pathlib import Path

from tidewheel.core.digest import digest_value
from tidewheel.core.errors import SourceError
from tidewheel.source_repository.names import Imported, Names, read_names
from tidewheel.source_repository.normal_form import normal_form

_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


class Statement:
    """A top-level statement; what it does with names is read when somebody asks."""

    def __init__(self, module: ProjectModule, node: ast.stmt) -> None:
        self.module = module
        self.node = node

    @property
    def is_definition(self) -> bool:
        """A function or a class."""
        return isinstance(self.node, _DEFINITIONS)

    @cached_property
    def names(self) -> Names:
        return read_names(self.node, self.module.absolute)

    @cached_property
    def digest(self) -> str:
        """Of its normal form."""
        return digest_value("statement", normal_form(self.node))


class ProjectModule:
    """A parsed file.

    Args:
        name: its dotted name.
        path: the file; None for a folder without `__init__.py`, which is a module without statements.

    Raises:
        SourceError: the file is no Python; file and line are named.
    """

    def __init__(self, name: str, path: Path | None) -> None:
        self.name = name
        self.path = path
        self.is_package = path is None or path.name == "__init__.py"
        self.text, tree = ("", ast.Module([], [])) if path is None else _parse(path)
        self.statements = [Statement(self, node) for node in tree.body]
        self._part_digests: dict[str, str] = {}

    @cached_property
    def bindings(self) -> dict[str, list[Statement]]:
        """The statements that bind a name other than by import."""
        found: dict[str, list[Statement]] = {}
        # `global x` lets a function bind names of the module; only then must every function be read for it.
        reads_all = "global " in self.text
        for statement in self.statements:
            node = statement.node
            # A definition is not read before it is reached.
            own = {node.name} if isinstance(node, _DEFINITIONS) else statement.names.bound
            for name in own | statement.names.bound if reads_all else own:
                found.setdefault(name, []).append(statement)
        return found

    @cached_property
    def imports(self) -> dict[str, list[Imported]]:
        """What a name was imported from."""
        found: dict[str, list[Imported]] = {}
        for statement in self.statements:
            if not statement.is_definition or "global " in self.text:
                for name, targets in statement.names.imports.items():
                    found.setdefault(name, []).extend(targets)
        return found

    @cached_property
    def stars(self) -> list[str]:
        """Modules of which everything is imported."""
        return sorted({star for one in self.statements if not one.is_definition for star in one.names.stars})

    @cached_property
    def digest(self) -> str:
        """Of the whole module."""
        return digest_value("module", [statement.digest for statement in self.statements])

    def binds(self, name: str) -> bool:
        """Whether the name is one of the module's own or imported by it."""
        return name in self.bindings or name in self.imports

    def part_digest(self, name: str) -> str:
        """Of everything that binds the name."""
        if name not in self._part_digests:
            made = [statement.digest for statement in self.bindings.get(name, ())]
            taken = [list(target) for target in self.imports.get(name, ())]
            self._part_digests[name] = digest_value("definition", [made, taken])
        return self._part_digests[name]

    def is_unused(self, name: str) -> bool:
        """Whether nothing in the text but its import names it, so that it can only be imported for its effect."""
        return len(re.findall(rf"\b{re.escape(name)}\b", self.text)) <= 1

    def absolute(self, node: ast.ImportFrom) -> str:
        """The module that a `from` import names; empty when it leads out of the outermost package."""
        if not node.level:
            return node.module or ""
        parts = self.name.split(".")
        kept = len(parts) - node.level + (1 if self.is_package else 0)
        if kept <= 0:
            return ""
        return ".".join([*parts[:kept], *([node.module] if node.module else [])])


def _parse(path: Path) -> tuple[str, ast.Module]:
    data = path.read_bytes()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of doubtful escapes; Python says it when the step is imported
            return data.decode("utf-8", "replace"), ast.parse(data, str(path))
    except (SyntaxError, ValueError) as error:  # ValueError: null bytes
        line = getattr(error, "lineno", None)
        raise SourceError(
            f"{path.name} is no Python: {getattr(error, 'msg', error)}",
            where=f"{path}:{line}" if line else str(path),
            next_step="correct it, or list the file under project.exclude",
        ) from error
