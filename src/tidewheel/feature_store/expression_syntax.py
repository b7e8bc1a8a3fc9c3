"""The part of SQL's expressions that on-demand features are written in, as a tree.

Numbers, 'texts', names, `+ - * / % ||`, comparisons, `and or not`, `is [not] null`, `[not] in`, `[not] between`,
`case`, `cast(x as type)` and `x::type`, calls of functions. Operators bind as in PostgreSQL and DuckDB.
"""

from __future__ import annotations

import re
from typing import NamedTuple, TypeAlias

from tidewheel.core.errors import ParameterError

_TOKEN = re.compile(
    r"""\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
    |(?P<text>'(?:[^']|'')*')|(?P<quoted>"(?:[^"]|"")+")|(?P<word>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<symbol><=|>=|<>|!=|\|\||::|[-+*/%<>=(),]))""",
    re.VERBOSE,
)
_RESERVED = frozenset("and or not is null in between case when then else end cast as true false".split())
_COMPARISONS = ("=", "<>", "!=", "<", "<=", ">", ">=")
# How strongly operators bind what stands around them.
_OR, _AND, _NOT, _IS, _COMPARE, _IN, _OTHER, _ADD, _MULTIPLY, _SIGN, _CAST = range(1, 12)


class Literal(NamedTuple):
    """A number, text, truth value or null."""

    value: int | float | str | bool | None


class Column(NamedTuple):
    """A name that stands for a value."""

    name: str


class Call(NamedTuple):
    """A function or operator, by its name in lower case; `case` has conditions and values in turn, then the rest."""

    name: str
    arguments: tuple[Node, ...]


class Cast(NamedTuple):
    """A value as another type."""

    value: Node
    type_name: str


Node: TypeAlias = Literal | Column | Call | Cast


def parse(text: str) -> Node:
    """The tree of an expression.

    Raises:
        ParameterError: it is none; the message names the place.

    Example:
        >>> parse("a + 2 * b")
        Call(name='+', arguments=(Column(name='a'), Call(name='*', arguments=(Literal(value=2), Column(name='b')))))
    """
    parser = _Parser(text)
    tree = parser.expression(0)
    parser.expect("")
    return tree


def columns_of(tree: Node) -> set[str]:
    """The names that a tree asks for."""
    match tree:
        case Column(name):
            return {name}
        case Call(_, arguments):
            return {name for argument in arguments for name in columns_of(argument)}
        case Cast(value, _):
            return columns_of(value)
    return set()


class _Token(NamedTuple):
    kind: str
    text: str
    place: int

    def says(self, *words: str) -> bool:
        return self.kind in ("word", "symbol") and self.text.lower() in words


class _Parser:
    """Precedence climbing over the tokens of one expression."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(self._read())
        self._next = 0

    def _read(self) -> list[_Token]:
        tokens, place = [], 0
        end = len(self._text.rstrip())
        while place < end:
            found = _TOKEN.match(self._text, place)
            if found is None or self._text.startswith("--", found.start(str(found.lastgroup))):
                raise self._wrong("a sign that has no meaning", place)
            kind = str(found.lastgroup)
            tokens.append(_Token(kind, found[kind], found.start(kind)))
            place = found.end()
        return [*tokens, _Token("end", "", end)]

    def expect(self, *words: str) -> None:
        """Takes one of the words, or the end for an empty one."""
        token = self._take()
        if not (token.says(*words) or (words == ("",) and token.kind == "end")):
            wanted = " or ".join(map(repr, words)) if words != ("",) else "the end"
            raise self._wrong(f"{wanted} is expected, not {token.text!r}", token.place)

    def expression(self, strength: int) -> Node:
        """What follows, up to an operator that binds more weakly."""
        left = self._prefix()
        while True:
            operator = self._peek()
            binding = _strength_of(operator, self._tokens[min(self._next + 1, len(self._tokens) - 1)])
            if binding <= strength:
                return left
            left = self._infix(left, binding)

    def _prefix(self) -> Node:
        token = self._take()
        if token.kind == "number":
            return Literal(float(token.text) if re.search(r"[.eE]", token.text) else int(token.text))
        if token.kind == "text":
            return Literal(token.text[1:-1].replace("''", "'"))
        if token.kind == "quoted":
            return Column(token.text[1:-1].replace('""', '"'))
        if token.says("("):
            inner = self.expression(0)
            self.expect(")")
            return inner
        if token.says("-", "+"):
            operand = self.expression(_SIGN)
            return operand if token.text == "+" else _negated(operand)
        if token.says("not"):
            return Call("not", (self.expression(_NOT),))
        return self._word(token)

    def _word(self, token: _Token) -> Node:
        word = token.text.lower()
        if word in ("true", "false", "null"):
            return Literal({"true": True, "false": False, "null": None}[word])
        if word == "case":
            return self._case()
        if word == "cast":
            self.expect("(")
            value = self.expression(0)
            self.expect("as")
            cast = Cast(value, self._take().text.lower())
            self.expect(")")
            return cast
        if token.kind != "word" or word in _RESERVED:
            raise self._wrong(f"a value is expected, not {token.text or 'the end'!r}", token.place)
        return Call(word, self._list()) if self._peek().says("(") else Column(token.text)

    def _infix(self, left: Node, binding: int) -> Node:
        token = self._take()
        word = token.text.lower()
        if word == "::":
            return Cast(left, self._take().text.lower())
        if word == "is":
            is_negated = self._accept("not")
            self.expect("null")
            test: Node = Call("is null", (left,))
            return Call("not", (test,)) if is_negated else test
        if word in ("not", "in", "between"):
            is_negated = word == "not"
            return self._membership(left, self._take().text.lower() if is_negated else word, is_negated=is_negated)
        return Call("<>" if word == "!=" else word, (left, self.expression(binding)))

    def _membership(self, left: Node, word: str, *, is_negated: bool) -> Node:
        if word == "in":
            options = [Call("=", (left, option)) for option in self._list()]
            test: Node = options[0]
            for option in options[1:]:
                test = Call("or", (test, option))
        else:
            lower = self.expression(_OTHER)
            self.expect("and")
            test = Call("and", (Call(">=", (left, lower)), Call("<=", (left, self.expression(_OTHER)))))
        return Call("not", (test,)) if is_negated else test

    def _case(self) -> Node:
        subject = None if self._peek().says("when") else self.expression(0)
        parts: list[Node] = []
        while self._accept("when"):
            condition = self.expression(0)
            self.expect("then")
            parts += [condition if subject is None else Call("=", (subject, condition)), self.expression(0)]
        parts.append(self.expression(0) if self._accept("else") else Literal(None))
        self.expect("end")
        if len(parts) == 1:
            raise self._wrong("a case has no when", self._peek().place)
        return Call("case", tuple(parts))

    def _list(self) -> tuple[Node, ...]:
        self.expect("(")
        values: list[Node] = []
        while not self._accept(")"):
            if values:
                self.expect(",")
            values.append(self.expression(0))
        if not values:
            raise self._wrong("a list is empty", self._peek().place)
        return tuple(values)

    def _peek(self) -> _Token:
        return self._tokens[self._next]

    def _take(self) -> _Token:
        token = self._tokens[self._next]
        self._next = min(self._next + 1, len(self._tokens) - 1)
        return token

    def _accept(self, word: str) -> bool:
        if is_there := self._peek().says(word):
            self._take()
        return is_there

    def _wrong(self, what: str, place: int) -> ParameterError:
        return ParameterError(f"{what} at position {place + 1} of {self._text!r}", next_step="correct the expression")


def _strength_of(token: _Token, following: _Token) -> int:
    if token.says("not"):
        return _IN if following.says("in", "between") else 0
    for strength, words in (
        (_OR, ("or",)),
        (_AND, ("and",)),
        (_IS, ("is",)),
        (_COMPARE, _COMPARISONS),
        (_IN, ("in", "between")),
        (_OTHER, ("||",)),
        (_ADD, ("+", "-")),
        (_MULTIPLY, ("*", "/", "%")),
        (_CAST, ("::",)),
    ):
        if token.says(*words):
            return strength
    return 0


def _negated(operand: Node) -> Node:
    if isinstance(operand, Literal) and isinstance(operand.value, int | float) and not isinstance(operand.value, bool):
        return Literal(-operand.value)
    return Call("negate", (operand,))
