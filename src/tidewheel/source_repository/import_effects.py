"""Which top-level statements do more, when their module is imported, than bind names.

Such a statement can change what any other code of the process does: it enters the closure of every step that imports
the module. Definitions, imports and assignments do not, unless they call into the project.
"""

from __future__ import annotations

import ast
from typing import Protocol

from tidewheel.source_repository.names import Chain, never_runs
from tidewheel.source_repository.project_module import ProjectModule, Statement

# Decorators of these register nothing.
_HARMLESS_MODULES = frozenset(
    ["abc", "contextlib", "dataclasses", "enum", "functools", "tidewheel", "types", "typing", "typing_extensions"]
)
_HARMLESS_BUILTINS = frozenset(["classmethod", "property", "staticmethod"])
_PROPERTY_PARTS = frozenset(["deleter", "getter", "setter"])
_CREATION = frozenset(["__init__", "__new__", "__post_init__", "__init_subclass__", "__set_name__"])
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


class Resolver(Protocol):
    """Follows names through a project."""

    def origin(self, module: ProjectModule, chain: Chain) -> Statement | str | None:
        """The definition that a chain leads to, or the foreign module it comes from; None when neither is known."""


def has_effect(statement: Statement, resolver: Resolver) -> bool:
    """Whether importing the module does more, by this statement, than bind names."""
    return _has_effect(statement.node, statement.module, resolver)


def _has_effect(node: ast.stmt, module: ProjectModule, resolver: Resolver) -> bool:
    match node:
        case ast.Import() | ast.ImportFrom() | ast.Pass() | ast.Expr(value=ast.Constant()):
            return False
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            return not all(_is_harmless(one, module, resolver) for one in node.decorator_list)
        case ast.ClassDef():
            return _class_has_effect(node, module, resolver)
        case ast.Assign():
            return not all(_is_plain(target) for target in node.targets) or _calls_project(node.value, module, resolver)
        case ast.AnnAssign() | ast.AugAssign():
            value = node.value
            return not _is_plain(node.target) or (value is not None and _calls_project(value, module, resolver))
        case ast.If():
            if never_runs(node.test):
                return _any_effect(node.orelse, module, resolver)
            return _calls_project(node.test, module, resolver) or _any_effect(
                [*node.body, *node.orelse], module, resolver
            )
        case ast.Try():
            handled = [inner for handler in node.handlers for inner in handler.body]
            return _any_effect([*node.body, *handled, *node.orelse, *node.finalbody], module, resolver)
        case _:
            return type(node).__name__ != "TypeAlias"  # Python 3.12


def _any_effect(nodes: list[ast.stmt], module: ProjectModule, resolver: Resolver) -> bool:
    return any(_has_effect(node, module, resolver) for node in nodes)


def _is_plain(target: ast.expr) -> bool:
    if isinstance(target, ast.Tuple | ast.List):
        return all(_is_plain(item) for item in target.elts)
    if isinstance(target, ast.Starred):
        return _is_plain(target.value)
    return isinstance(target, ast.Name)


def _is_harmless(decorator: ast.expr, module: ProjectModule, resolver: Resolver) -> bool:
    chain = _chain_of(decorator.func if isinstance(decorator, ast.Call) else decorator)
    if not chain:
        return False
    if not module.binds(chain[0]):
        return chain[0] in _HARMLESS_BUILTINS or (len(chain) == 2 and chain[1] in _PROPERTY_PARTS)
    return resolver.origin(module, chain) in _HARMLESS_MODULES


def _calls_project(value: ast.expr, module: ProjectModule, resolver: Resolver) -> bool:
    """Whether evaluating it runs a function of the project, or makes an object whose making runs one."""
    if isinstance(value, ast.Constant | ast.Name | ast.Lambda):
        return False
    for node in ast.walk(value):
        if isinstance(node, ast.Call):
            origin = resolver.origin(module, _chain_of(node.func))
            if isinstance(origin, Statement) and _runs_code(origin, resolver):
                return True
    return False


def _runs_code(called: Statement, resolver: Resolver) -> bool:
    if isinstance(called.node, ast.ClassDef):
        bases = _bases(called.node, called.module, resolver, set())
        return any(_methods_of(one.node) & _CREATION for one in (called, *bases))
    return isinstance(called.node, _FUNCTIONS)


def _class_has_effect(node: ast.ClassDef, module: ProjectModule, resolver: Resolver) -> bool:
    """A class tells others of itself by a decorator, a metaclass, `__init_subclass__` or code in its body."""
    if not all(_is_harmless(one, module, resolver) for one in node.decorator_list):
        return True
    if _has_own_metaclass(node, module, resolver):
        return True
    if _any_effect([inner for inner in node.body if not _is_property_part(inner)], module, resolver):
        return True
    bases = _bases(node, module, resolver, set())
    return any(
        "__init_subclass__" in _methods_of(base.node) or _has_own_metaclass(base.node, base.module, resolver)
        for base in bases
    )


def _has_own_metaclass(node: ast.AST, module: ProjectModule, resolver: Resolver) -> bool:
    """Whether a metaclass of the project makes the class."""
    keywords = node.keywords if isinstance(node, ast.ClassDef) else ()
    return any(
        keyword.arg in (None, "metaclass") and isinstance(resolver.origin(module, _chain_of(keyword.value)), Statement)
        for keyword in keywords
    )


def _is_property_part(node: ast.stmt) -> bool:
    return isinstance(node, _FUNCTIONS) and all(
        isinstance(one, ast.Attribute) and one.attr in _PROPERTY_PARTS for one in node.decorator_list
    )


def _methods_of(node: ast.AST) -> set[str]:
    return {inner.name for inner in getattr(node, "body", ()) if isinstance(inner, _FUNCTIONS)}


def _bases(node: ast.ClassDef, module: ProjectModule, resolver: Resolver, seen: set[int]) -> list[Statement]:
    """The project's classes that a class inherits from, near and far."""
    found: list[Statement] = []
    for base in node.bases:
        origin = resolver.origin(module, _chain_of(base))
        if isinstance(origin, Statement) and isinstance(origin.node, ast.ClassDef) and id(origin.node) not in seen:
            seen.add(id(origin.node))
            found += [origin, *_bases(origin.node, origin.module, resolver, seen)]
    return found


def _chain_of(node: ast.expr) -> Chain:
    attributes: list[str] = []
    while isinstance(node, ast.Attribute):
        attributes.append(node.attr)
        node = node.value
    return (node.id, *reversed(attributes)) if isinstance(node, ast.Name) else ()
