"""Code without what does not matter: positions, comments, formatting and docstrings."""

from __future__ import annotations

import ast

# Load and store follow from the place; `u""` and type comments mean nothing at run time.
_SKIPPED = frozenset(["ctx", "kind", "type_comment", "type_ignores"])
_FIELDS: dict[type, tuple[str, ...]] = {}
_HAVE_DOCSTRING = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Module)


def normal_form(node: ast.AST) -> str:
    """The syntax tree as one line of text; two pieces of code with equal text do the same.

    It is only comparable within one version of Python, as the tree is. `ast.dump` says the same, more slowly.

    Example:
        >>> normal_form(ast.parse("x = 1  # one")) == normal_form(ast.parse("x=1"))
        True
    """
    out: list[str] = []
    _write(node, out)
    return "".join(out)


def _write(node: ast.AST, out: list[str]) -> None:
    kind = type(node)
    fields = _FIELDS.get(kind)
    if fields is None:
        fields = _FIELDS[kind] = tuple(field for field in kind._fields if field not in _SKIPPED)
    out.append(kind.__name__)
    out.append("(")
    for field in fields:
        value = getattr(node, field, None)
        if isinstance(value, ast.AST):
            _write(value, out)
        elif isinstance(value, list):
            items = (
                value[1:] if field == "body" and isinstance(node, _HAVE_DOCSTRING) and has_docstring(node) else value
            )
            out.append("[")
            for item in items:
                if isinstance(item, ast.AST):
                    _write(item, out)
                else:
                    out.append(repr(item))
                out.append(",")
            out.append("]")
        else:
            out.append(repr(value))
        out.append(";")
    out.append(")")


def has_docstring(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Module) -> bool:
    """Whether the body begins with one."""
    return bool(node.body) and is_text(node.body[0])


def is_text(statement: ast.stmt) -> bool:
    """Whether a statement is a string and nothing else."""
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )
