"""Stands for a value that a step will make; a plan is drawn with these, nothing is computed."""

from __future__ import annotations

from typing import Any, NoReturn

from tidewheel.core.errors import DefinitionError


class Ref:
    """The output of a node of the plan being traced; may only be handed to other steps.

    Attributes:
        node, output: its address.
        type_names: qualified names of its declared type along the MRO.
    """

    __slots__ = ("node", "output", "type_names")

    def __init__(self, node: str, output: str, type_names: tuple[str, ...]) -> None:
        self.node = node
        self.output = output
        self.type_names = type_names

    def __repr__(self) -> str:
        return f"<ref {self.node}.{self.output}>"

    def _refuse(self, what: str) -> NoReturn:
        raise DefinitionError(
            f"{self.node}.{self.output} is no value yet: it cannot be {what} while the pipeline is traced",
            (),
            where=f"output {self.output!r} of step {self.node!r}",
            next_step="do it inside a step, which receives the value",
        )

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)
        self._refuse(f"asked for its attribute {name!r}")

    __hash__ = object.__hash__


def _forbid(name: str, what: str) -> None:
    def refuse(self: Ref, *_: Any) -> NoReturn:
        self._refuse(what)

    setattr(Ref, name, refuse)


for _name in ("eq", "ne", "lt", "le", "gt", "ge"):
    _forbid(f"__{_name}__", "compared")
for _name in (
    "add",
    "sub",
    "mul",
    "truediv",
    "floordiv",
    "mod",
    "pow",
    "matmul",
    "and",
    "or",
    "xor",
    "lshift",
    "rshift",
    "divmod",
):
    _forbid(f"__{_name}__", "computed with")
    _forbid(f"__r{_name}__", "computed with")
for _name in ("neg", "pos", "abs", "invert", "int", "float", "index", "complex", "round", "trunc", "floor", "ceil"):
    _forbid(f"__{_name}__", "computed with")
for _name, _what in {
    "bool": "used as a condition",
    "iter": "iterated over",
    "len": "measured",
    "getitem": "indexed",
    "setitem": "changed",
    "delitem": "changed",
    "reversed": "iterated over",
    "enter": "used in `with`",
    "exit": "used in `with`",
    "bytes": "put into text",
    "contains": "searched",
    "call": "called",
    "format": "put into text",
    "str": "put into text",
}.items():
    _forbid(f"__{_name}__", _what)
