"""A project's modules, found and parsed without importing any of them, and the closures of its steps."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tidewheel.core.errors import NotFoundError
from tidewheel.source_repository.closure import Closure
from tidewheel.source_repository.import_effects import has_effect
from tidewheel.source_repository.names import Chain, Imported
from tidewheel.source_repository.project_module import ProjectModule, Statement
from tidewheel.source_repository.reach import Reach

_LONGEST_REEXPORT = 30
_DEEPEST_TREE = 30_000


@contextmanager
def _deep_trees() -> Iterator[None]:
    """Lets a long expression, such as a sum of a thousand terms, be read; a syntax tree is as deep as that is long."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, _DEEPEST_TREE))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


class ProjectCode:
    """Parses each module once; not for several threads.

    Args:
        roots: the import roots, in the order of `sys.path`: a copy of the sources, and `src` below it.
    """

    def __init__(self, roots: Sequence[Path]) -> None:
        self._paths: dict[str, Path | None] = {}
        for root in roots:
            self._scan(root)
        self._modules: dict[str, ProjectModule] = {}
        self._effects: dict[str, list[Statement]] = {}

    def has_module(self, name: str) -> bool:
        """Whether the project has a module of this name; a folder that holds modules is one."""
        return name in self._paths

    def closure(self, address: str) -> Closure:
        """What the step at `module:qualname` depends on.

        From the step's function names are followed to the functions, classes (as a whole), assignments and imports
        that bind them, through the project's modules, annotations and decorators included. What runs when one of the
        imported modules is imported enters too. Where a name cannot be followed (a module that is passed as a value, a
        star import, `eval`), the whole module is taken, and `undecided` says why.

        Raises:
            NotFoundError: there is no such module or name.
            SourceError: a module that is reached is no Python.
        """
        module_name, _, qualname = address.partition(":")
        if not self.has_module(module_name):
            raise NotFoundError("module", module_name, known=self._paths)
        module = self.module(module_name)
        name = qualname.split(".")[0]
        if not module.binds(name):
            raise NotFoundError(
                "step", address, known=(f"{module_name}:{one}" for one in module.bindings), where=str(module.path)
            )
        reach = Reach(self)
        reach.run_import(module_name)
        reach.follow(module, (name,))
        with _deep_trees():
            reach.finish()
        return Closure(
            step=address,
            parts=dict(sorted(reach.parts.items())),
            modules=tuple(sorted(reach.modules)),
            imports=tuple(sorted(reach.imports)),
            undecided=dict(sorted(reach.undecided.items())),
        )

    def module(self, name: str) -> ProjectModule:
        """The parsed module.

        Raises:
            SourceError: it is no Python.
        """
        if name not in self._modules:
            self._modules[name] = ProjectModule(name, self._paths[name])
        return self._modules[name]

    def effects(self, module: ProjectModule) -> list[Statement]:
        """The statements that do more, when the module is imported, than bind names."""
        if module.name not in self._effects:
            self._effects[module.name] = [one for one in module.statements if has_effect(one, self)]
        return self._effects[module.name]

    def origin(self, module: ProjectModule, chain: Chain) -> Statement | str | None:
        """The definition that a chain leads to, or the foreign top-level module it comes from; None when unknown."""
        for _ in range(_LONGEST_REEXPORT):
            if not chain:
                return None
            if chain[0] in module.bindings:
                return module.bindings[chain[0]][-1]
            targets = module.imports.get(chain[0])
            if not targets:
                return None
            name, chain = self._into_submodules(targets[-1], chain[1:])
            if not self.has_module(name):
                return name.split(".")[0]
            module = self.module(name)
        return None

    def _into_submodules(self, target: Imported, rest: Chain) -> tuple[str, Chain]:
        name, chain = target.module, target.chain + rest
        while chain and self.has_module(f"{name}.{chain[0]}") and not self.module(name).binds(chain[0]):
            name, chain = f"{name}.{chain[0]}", chain[1:]
        return name, chain

    def _scan(self, root: Path) -> None:
        """Finds the modules below an import root, which an earlier root's hide; a package hides a plain folder."""
        top = os.fspath(root)
        for folder, folders, files in os.walk(top):
            folders[:] = [one for one in folders if one.isidentifier() and one != "__pycache__"]
            place = folder[len(top) :].strip(os.sep).replace(os.sep, ".")
            if place and any(file.endswith(".py") for file in files):
                for depth in range(place.count(".") + 1):
                    self._paths.setdefault(place.rsplit(".", depth)[0], None)
            for file in files:
                stem, ending = os.path.splitext(file)
                if ending != ".py" or not stem.isidentifier() or (stem == "__init__" and not place):
                    continue
                name = place if stem == "__init__" else f"{place}.{stem}" if place else stem
                if self._paths.get(name) is None or (stem == "__init__" and self._is_plain_module(name, folder)):
                    self._paths[name] = Path(folder, file)

    def _is_plain_module(self, name: str, folder: str) -> bool:
        """Whether `name` was taken for `name.py` beside the package of that name, which Python prefers."""
        path = self._paths[name]
        return path is not None and path.parent == Path(folder).parent
