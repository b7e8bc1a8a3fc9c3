"""The names that a piece of code binds, loads and imports, by Python's scoping rules."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

Chain = tuple[str, ...]
"""`features.scale.mean` as (features, scale, mean): a name and the attributes asked of it."""


class Imported(NamedTuple):
    """What an import gives: a module, or with `name` an attribute or submodule of it."""

    module: str
    name: str = ""

    @property
    def chain(self) -> Chain:
        return (self.name,) if self.name else ()


@dataclass(slots=True)
class Names:
    """What one top-level statement does with names.

    Attributes:
        bound: module-level names that it binds other than by import, `global` in a function included.
        imports: module-level names that it binds by import.
        loads: chains that begin with a module-level name or a builtin.
        inner_loads: chains that begin with a name imported inside a function: what was imported, and the attributes.
        imported: what it imports when the module is imported.
        inner_imported: what its functions import when they are called.
        stars: modules of which it imports everything.
    """

    bound: set[str] = field(default_factory=set)
    imports: dict[str, list[Imported]] = field(default_factory=dict)
    loads: set[Chain] = field(default_factory=set)
    inner_loads: set[tuple[Imported, Chain]] = field(default_factory=set)
    imported: set[Imported] = field(default_factory=set)
    inner_imported: set[Imported] = field(default_factory=set)
    stars: set[str] = field(default_factory=set)


def read_names(statement: ast.stmt, resolve_from: Callable[[ast.ImportFrom], str]) -> Names:
    """The names of a top-level statement; blocks that never run (`if TYPE_CHECKING`, `if __name__ == ...`) are skipped.

    Args:
        resolve_from: the absolute module of a `from` import, empty when it leaves the package.
    """
    reader = _Reader(resolve_from)
    module = reader.scope("module", None)
    reader.visit(statement, module)
    return reader.result()


class _Scope:
    __slots__ = ("bound", "declared_global", "imports", "kind", "loads", "parent")

    def __init__(self, kind: str, parent: _Scope | None) -> None:
        self.kind = kind
        self.parent = parent
        self.bound: set[str] = set()
        self.declared_global: set[str] = set()
        self.imports: dict[str, list[Imported]] = {}
        self.loads: list[Chain] = []

    def enclosing(self) -> Iterator[_Scope]:
        """This scope and those whose names it sees, outwards; a class's names are seen by its own body only."""
        yield self
        scope = self.parent
        while scope is not None:
            if scope.kind != "class":
                yield scope
            scope = scope.parent


class _Reader:
    def __init__(self, resolve_from: Callable[[ast.ImportFrom], str]) -> None:
        self._resolve_from = resolve_from
        self._scopes: list[_Scope] = []
        self._names = Names()

    def scope(self, kind: str, parent: _Scope | None) -> _Scope:
        scope = _Scope(kind, parent)
        self._scopes.append(scope)
        return scope

    def result(self) -> Names:
        names = self._names
        for scope in self._scopes:
            is_module = scope.kind == "module"
            names.bound |= scope.bound if is_module else scope.bound & scope.declared_global
            for name, targets in scope.imports.items():
                if is_module or name in scope.declared_global:
                    names.imports.setdefault(name, []).extend(targets)
            for chain in scope.loads:
                self._resolve(scope, chain)
        return names

    def _resolve(self, scope: _Scope, chain: Chain) -> None:
        root = chain[0]
        for place in scope.enclosing():
            if place.kind == "module" or root in place.declared_global:
                self._names.loads.add(chain)
                return
            for target in place.imports.get(root, ()):
                self._names.inner_loads.add((target, chain[1:]))
            # In a class body `x = x` reads the name outside, so its own names do not hide those.
            if place.kind != "class" and (root in place.bound or root in place.imports):
                return

    def visit(self, node: ast.AST, scope: _Scope) -> None:
        visitor = _VISITORS.get(type(node))
        if visitor is None:
            self.visit_fields(node, scope)
        else:
            visitor(self, node, scope)

    def visit_fields(self, node: ast.AST, scope: _Scope) -> None:
        for name in node._fields:
            value = getattr(node, name, None)
            if isinstance(value, list):
                self.visit_all(value, scope)
            elif isinstance(value, ast.AST):
                self.visit(value, scope)

    def visit_all(self, nodes: Iterable[Any], scope: _Scope) -> None:
        for node in nodes:
            if isinstance(node, ast.AST):
                self.visit(node, scope)

    def skip(self, node: ast.AST, scope: _Scope) -> None:
        pass

    def name(self, node: ast.Name, scope: _Scope) -> None:
        if isinstance(node.ctx, ast.Load):
            scope.loads.append((node.id,))
        else:
            scope.bound.add(node.id)

    def attribute(self, node: ast.Attribute, scope: _Scope) -> None:
        attributes: list[str] = []
        value: ast.expr = node
        while isinstance(value, ast.Attribute):
            attributes.append(value.attr)
            value = value.value
        if isinstance(value, ast.Name):
            scope.loads.append((value.id, *reversed(attributes)))
        else:
            self.visit(value, scope)

    def function(self, node: ast.FunctionDef | ast.AsyncFunctionDef, scope: _Scope) -> None:
        scope.bound.add(node.name)
        self.visit_all(node.decorator_list, scope)
        inner = self.scope("function", scope)
        self._type_parameters(node, inner)
        self._arguments(node.args, scope, inner)
        self._annotation(node.returns, inner)
        self.visit_all(node.body, inner)

    def lambda_(self, node: ast.Lambda, scope: _Scope) -> None:
        inner = self.scope("function", scope)
        self._arguments(node.args, scope, inner)
        self.visit(node.body, inner)

    def _arguments(self, arguments: ast.arguments, outer: _Scope, inner: _Scope) -> None:
        self.visit_all([*arguments.defaults, *arguments.kw_defaults], outer)
        stars = [one for one in (arguments.vararg, arguments.kwarg) if one is not None]
        for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, *stars):
            self._annotation(argument.annotation, outer)
            inner.bound.add(argument.arg)

    def class_(self, node: ast.ClassDef, scope: _Scope) -> None:
        scope.bound.add(node.name)
        self.visit_all(node.decorator_list, scope)
        inner = self.scope("class", scope)
        self._type_parameters(node, inner)
        self.visit_all([*node.bases, *node.keywords], scope)
        self.visit_all(node.body, inner)

    def _type_parameters(self, node: ast.AST, inner: _Scope) -> None:
        for parameter in getattr(node, "type_params", ()):  # Python 3.12
            inner.bound.add(parameter.name)
            self.visit_fields(parameter, inner)

    def comprehension(self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp, scope: _Scope) -> None:
        inner = self.scope("comprehension", scope)
        self.visit(node.generators[0].iter, scope)
        for position, generator in enumerate(node.generators):
            if position:
                self.visit(generator.iter, inner)
            self.visit(generator.target, inner)
            self.visit_all(generator.ifs, inner)
        if isinstance(node, ast.DictComp):
            self.visit_all([node.key, node.value], inner)
        else:
            self.visit(node.elt, inner)

    def walrus(self, node: ast.NamedExpr, scope: _Scope) -> None:
        self.visit(node.value, scope)
        holder = scope
        while holder.kind == "comprehension" and holder.parent is not None:
            holder = holder.parent
        holder.bound.add(node.target.id)

    def annotated(self, node: ast.AnnAssign, scope: _Scope) -> None:
        self._annotation(node.annotation, scope)
        if node.value is not None:
            self.visit(node.value, scope)
        self.visit(node.target, scope)

    def _annotation(self, node: ast.expr | None, scope: _Scope) -> None:
        if node is None:
            return
        self.visit(node, scope)
        for part in ast.walk(node):
            if isinstance(part, ast.Constant) and isinstance(part.value, str):
                try:
                    self.visit(ast.parse(part.value, mode="eval").body, scope)
                except SyntaxError:
                    continue  # a string that is no type, as in Annotated[int, "metres per second"]

    def augmented(self, node: ast.AugAssign, scope: _Scope) -> None:
        if isinstance(node.target, ast.Name):
            scope.loads.append((node.target.id,))
        self.visit_fields(node, scope)

    def import_(self, node: ast.Import, scope: _Scope) -> None:
        for alias in node.names:
            self._imported(Imported(alias.name), scope)
            if alias.asname:
                scope.imports.setdefault(alias.asname, []).append(Imported(alias.name))
            else:
                top = alias.name.split(".")[0]
                scope.imports.setdefault(top, []).append(Imported(top))

    def import_from(self, node: ast.ImportFrom, scope: _Scope) -> None:
        module = self._resolve_from(node)
        for alias in node.names if module else ():
            if alias.name == "*":
                self._names.stars.add(module)
                self._imported(Imported(module), scope)
                continue
            target = Imported(module, alias.name)
            self._imported(target, scope)
            scope.imports.setdefault(alias.asname or alias.name, []).append(target)

    def _imported(self, target: Imported, scope: _Scope) -> None:
        is_later = any(place.kind == "function" for place in _outwards(scope))
        (self._names.inner_imported if is_later else self._names.imported).add(target)

    def global_(self, node: ast.Global, scope: _Scope) -> None:
        scope.declared_global.update(node.names)

    def handler(self, node: ast.ExceptHandler, scope: _Scope) -> None:
        if node.name:
            scope.bound.add(node.name)
        self.visit_fields(node, scope)

    def capture(self, node: ast.MatchAs | ast.MatchStar, scope: _Scope) -> None:
        if node.name:
            scope.bound.add(node.name)
        self.visit_fields(node, scope)

    def mapping(self, node: ast.MatchMapping, scope: _Scope) -> None:
        if node.rest:
            scope.bound.add(node.rest)
        self.visit_fields(node, scope)

    def condition(self, node: ast.If, scope: _Scope) -> None:
        if never_runs(node.test):
            self.visit_all(node.orelse, scope)
        else:
            self.visit_fields(node, scope)


def _outwards(scope: _Scope | None) -> Iterator[_Scope]:
    while scope is not None:
        yield scope
        scope = scope.parent


def never_runs(test: ast.expr) -> bool:
    """Whether a condition is false in every step: `TYPE_CHECKING`, or `__name__ == "__main__"`."""
    if isinstance(test, ast.Name):
        return test.id == "TYPE_CHECKING"
    if isinstance(test, ast.Attribute):
        return test.attr == "TYPE_CHECKING"
    if isinstance(test, ast.Compare) and isinstance(test.left, ast.Name) and test.left.id == "__name__":
        right = test.comparators[0]
        return isinstance(test.ops[0], ast.Eq) and isinstance(right, ast.Constant) and right.value == "__main__"
    return False


_VISITORS: dict[type[ast.AST], Callable[[_Reader, Any, _Scope], None]] = {
    ast.Name: _Reader.name,
    ast.Attribute: _Reader.attribute,
    ast.FunctionDef: _Reader.function,
    ast.AsyncFunctionDef: _Reader.function,
    ast.Lambda: _Reader.lambda_,
    ast.ClassDef: _Reader.class_,
    ast.ListComp: _Reader.comprehension,
    ast.SetComp: _Reader.comprehension,
    ast.DictComp: _Reader.comprehension,
    ast.GeneratorExp: _Reader.comprehension,
    ast.NamedExpr: _Reader.walrus,
    ast.AnnAssign: _Reader.annotated,
    ast.AugAssign: _Reader.augmented,
    ast.Import: _Reader.import_,
    ast.ImportFrom: _Reader.import_from,
    ast.Global: _Reader.global_,
    ast.ExceptHandler: _Reader.handler,
    ast.MatchAs: _Reader.capture,
    ast.MatchStar: _Reader.capture,
    ast.MatchMapping: _Reader.mapping,
    ast.If: _Reader.condition,
    **dict.fromkeys([ast.Constant, ast.Load, ast.Store, ast.Del, ast.Pass], _Reader.skip),
}
