"""Regular expressions of Python in the words of RE2, which DuckDB speaks; only where both accept the same texts.

The two differ quietly: `\\d`, `\\w` and `\\s` are Unicode in Python and ASCII in RE2, `$` also matches before a last
line break in Python, and RE2 has neither look-around nor back-references. What cannot be said exactly is not said.
"""

from __future__ import annotations

import re
import re._constants as codes  # type: ignore[import-not-found, unused-ignore]
import re._parser as parser  # type: ignore[import-not-found, unused-ignore]
from typing import Any

_CATEGORIES = {
    codes.CATEGORY_DIGIT: r"\p{Nd}",
    codes.CATEGORY_NOT_DIGIT: r"\P{Nd}",
    codes.CATEGORY_WORD: r"\p{L}\p{N}_",
    codes.CATEGORY_SPACE: r"\t-\r\x{1c}- \x{85}\p{Z}",
}
_MAX_REPEAT = 1000  # RE2's own limit


def to_re2(pattern: str) -> str | None:
    """A pattern of RE2 that matches somewhere in a text where `re.search` does; None when there is none.

    Raises:
        re.error: it is no pattern of Python.

    Example:
        >>> to_re2("^[A-Z]{2}$"), to_re2("a(?=b)")
        ('\\\\A(?:[\\\\x{41}-\\\\x{5a}]){2,2}(?:\\\\n?\\\\z)', None)
    """
    tree = parser.parse(pattern)
    if tree.state.flags & ~re.UNICODE:
        return None
    try:
        return _sequence(tree, is_last=True)
    except LookupError:
        return None


def _sequence(tree: Any, *, is_last: bool) -> str:
    end = len(tree) - 1
    return "".join(
        _one(code, argument, is_last=is_last and place == end) for place, (code, argument) in enumerate(tree)
    )


def _one(code: Any, argument: Any, *, is_last: bool) -> str:
    if code is codes.LITERAL:
        return _char(argument)
    if code is codes.NOT_LITERAL:
        return f"[^{_char(argument)}]"
    if code is codes.ANY:
        return r"[^\n]"
    if code is codes.IN:
        return _set(argument)
    if code is codes.AT:
        if argument is codes.AT_END and not is_last:  # what says it in RE2 takes the line break away from what follows
            raise LookupError("$ inside of a pattern")
        return {codes.AT_BEGINNING: r"\A", codes.AT_BEGINNING_STRING: r"\A", codes.AT_END: r"(?:\n?\z)",
                codes.AT_END_STRING: r"\z"}[argument]  # fmt: skip
    if code is codes.BRANCH:
        return f"(?:{'|'.join(_sequence(branch, is_last=is_last) for branch in argument[1])})"
    if code is codes.SUBPATTERN:
        _, added, removed, inner = argument
        if added or removed:
            raise LookupError("flags inside of a pattern")
        return f"(?:{_sequence(inner, is_last=is_last)})"
    if code in (codes.MAX_REPEAT, codes.MIN_REPEAT):
        return _repeat(*argument)
    raise LookupError(code)


def _repeat(least: int, most: Any, inner: Any) -> str:
    unbounded = most is codes.MAXREPEAT
    if least > _MAX_REPEAT or (not unbounded and most > _MAX_REPEAT):
        raise LookupError("RE2 repeats at most 1,000 times")
    return f"(?:{_sequence(inner, is_last=False)}){{{least},{'' if unbounded else most}}}"


def _set(items: Any) -> str:
    is_negated = items[0][0] is codes.NEGATE
    parts = []
    for code, argument in items[1:] if is_negated else items:
        if code is codes.LITERAL:
            parts.append(_char(argument))
        elif code is codes.RANGE:
            parts.append(f"{_char(argument[0])}-{_char(argument[1])}")
        else:
            parts.append(_CATEGORIES[argument])
    return f"[{'^' if is_negated else ''}{''.join(parts)}]"


def _char(code_point: int) -> str:
    return f"\\x{{{code_point:x}}}"
