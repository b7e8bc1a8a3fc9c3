"""Follows names from a step through the project."""

from __future__ import annotations

import builtins
import sys
from collections.abc import Callable, Iterable
from functools import partial
from typing import Protocol

from tidewheel.core.digest import digest_value
from tidewheel.source_repository.names import Chain, Imported
from tidewheel.source_repository.project_module import ProjectModule, Statement

AT_IMPORT = "<import>"
WHOLE = "*"

_BUILTINS = frozenset(dir(builtins))
_DYNAMIC_BUILTINS = frozenset(["__import__", "eval", "exec", "globals"])
_DYNAMIC_FOREIGN = frozenset([("importlib",), ("pkgutil",), ("runpy",), ("sys", "modules"), ("sys", "path")])
# `importlib.resources` and `importlib.metadata` read data; they import nothing of the project.
_STATIC_FOREIGN = frozenset([("importlib", "resources"), ("importlib", "metadata")])
# What Tidewheel requires for its other parts has no say in the outcome of a step that uses only these: of the root, and
# all of `tidewheel.pipeline`, where the words of a definition are.
_DECLARATIONS = frozenset(("tidewheel", name) for name in ("Metrics", "StopRun", "TidewheelError", "pipeline"))
# Asked of a module these tell nothing of its content.
_MODULE_ATTRIBUTES = frozenset(
    ["__doc__", "__file__", "__name__", "__package__", "__path__", "__spec__", "__version__"]
)


class Modules(Protocol):
    """A project's modules."""

    def has_module(self, name: str) -> bool:
        """Whether the project has a module of this name."""

    def module(self, name: str) -> ProjectModule:
        """The parsed module; SourceError when it is no Python."""

    def effects(self, module: ProjectModule) -> list[Statement]:
        """The statements that do more, when the module is imported, than bind names."""


class Reach:
    """What was reached so far, and what is still to be followed; nothing is followed twice.

    Attributes:
        parts, modules, imports, undecided: as in `Closure`.
    """

    def __init__(self, code: Modules) -> None:
        self._code = code
        self._waiting: list[Callable[[], None]] = []
        self._seen: set[object] = set()
        self.parts: dict[str, str] = {}
        self.modules: set[str] = set()
        self.imports: set[str] = set()
        self.undecided: dict[str, str] = {}

    def finish(self) -> None:
        """Follows everything that waits; a list in place of recursion, as chains of calls may be long."""
        while self._waiting:
            self._waiting.pop()()

    def run_import(self, name: str) -> None:
        """A module is imported, and with it the packages that it lies in."""
        while name and self._code.has_module(name) and self._is_new(("import", name)):
            self.modules.add(name)
            self._waiting.append(partial(self._run_statements, self._code.module(name)))
            name = name.rpartition(".")[0]

    def follow(self, module: ProjectModule, chain: Chain) -> None:
        """A name of a module, with the attributes that are asked of it, is reached."""
        if self._is_new((module.name, chain)):
            self._waiting.append(partial(self._follow, module, chain))

    def take_whole(self, module: ProjectModule, reason: str) -> None:
        """The module is reached as a whole."""
        if not self._is_new(("whole", module.name)):
            return
        self.undecided[module.name] = reason
        self.parts[f"{module.name}:{WHOLE}"] = module.digest
        for name in {*module.bindings, *module.imports}:
            self.follow(module, (name,))
        self._waiting.append(partial(self._reach_all, module.statements))

    def _run_statements(self, module: ProjectModule) -> None:
        effects = self._code.effects(module)
        for statement in module.statements:
            if statement.is_definition:
                continue  # its names are read when it is reached
            names = statement.names
            self._run_imports(names.imported)
            for bound, targets in names.imports.items():
                for target in targets:
                    if not self._code.has_module(target.module) and module.is_unused(bound):
                        self._foreign(module, target.module, ())
            for chain in names.loads:
                self._note_dynamic(module, chain)
        if effects:
            self.parts[f"{module.name}:{AT_IMPORT}"] = digest_value("effects", [one.digest for one in effects])
            self._reach_all(effects)

    def _run_imports(self, targets: Iterable[Imported]) -> None:
        for target in targets:
            self.run_import(target.module)
            if target.name:
                self.run_import(f"{target.module}.{target.name}")

    def _reach_all(self, statements: Iterable[Statement]) -> None:
        for statement in statements:
            self._reach(statement)

    def _reach(self, statement: Statement) -> None:
        if not self._is_new(("statement", id(statement))):
            return
        names = statement.names
        self._run_imports(names.imported | names.inner_imported)
        for target in names.inner_imported:
            if not self._code.has_module(target.module):
                self._foreign(statement.module, target.module, target.chain)
        for chain in names.loads:
            self.follow(statement.module, chain)
        for target, rest in names.inner_loads:
            self._enter(statement.module, target.module, target.chain + rest)

    def _follow(self, module: ProjectModule, chain: Chain) -> None:
        name = chain[0]
        if module.binds(name):
            self.parts[f"{module.name}:{name}"] = module.part_digest(name)
            self._reach_all(module.bindings.get(name, ()))
            for target in module.imports.get(name, ()):
                self._enter(module, target.module, target.chain + chain[1:])
            return
        self._note_dynamic(module, chain)
        if module.stars:
            self._follow_stars(module, name)

    def _follow_stars(self, module: ProjectModule, name: str) -> None:
        for star in module.stars:
            if not self._code.has_module(star):
                if name not in _BUILTINS:
                    self._foreign(module, star, ())
                continue
            source = self._code.module(star)
            if source.binds(name) or source.stars or name not in _BUILTINS:
                self.take_whole(source, f"{module.name} imports everything of it")

    def _enter(self, user: ProjectModule, name: str, chain: Chain) -> None:
        """`chain` is asked of the module `name` by code of the module `user`."""
        if not self._code.has_module(name):
            self._foreign(user, name, chain)
            return
        self.run_import(name)
        module = self._code.module(name)
        if not chain:
            self.take_whole(module, f"{user.name} uses the module as a value")
            return
        head, rest = chain[0], chain[1:]
        submodule = f"{name}.{head}"
        is_submodule = self._code.has_module(submodule)
        if is_submodule and self._is_new((user.name, submodule, rest)):
            self._enter(user, submodule, rest)
        if module.path is None and not is_submodule:
            self._foreign(user, name, chain)  # an installed package hides a folder of its name without `__init__.py`
        if module.binds(head):
            self.follow(module, chain)
        elif not is_submodule and head not in _MODULE_ATTRIBUTES:
            self._follow_stars(module, head)
            if not module.stars:
                self.take_whole(module, f"{user.name} asks it for {head!r}, which it does not bind in sight")

    def _foreign(self, user: ProjectModule, name: str, chain: Chain) -> None:
        """Something outside of the project is reached."""
        top = name.partition(".")[0]
        full = (*name.split("."), *chain)
        if any(full[: len(one)] == one for one in _DYNAMIC_FOREIGN) and full[:2] not in _STATIC_FOREIGN:
            self.take_whole(user, f"it uses {'.'.join(full[:2])}")
        if top and top not in sys.stdlib_module_names and full[:2] not in _DECLARATIONS:
            self.imports.add(top)

    def _note_dynamic(self, module: ProjectModule, chain: Chain) -> None:
        """Takes the module whole when the chain begins with a way around static names."""
        name = chain[0]
        if name in _DYNAMIC_BUILTINS and not module.binds(name):
            self.take_whole(module, f"it uses {name}")
        for target in module.imports.get(name, ()):
            if target.module.split(".")[0] in {"importlib", "pkgutil", "runpy", "sys"}:
                self._enter(module, target.module, target.chain + chain[1:])

    def _is_new(self, key: object) -> bool:
        if key in self._seen:
            return False
        self._seen.add(key)
        return True
