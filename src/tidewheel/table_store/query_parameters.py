"""Named parameters for engines that only know them by position."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tidewheel.core.errors import ParameterError, suggest

_TOKENS = re.compile(
    r"""'(?:[^']|'')*' | "(?:[^"]|"")*" | --[^\n]* | /\*.*?\*/ | \$(?P<name>[A-Za-z_][A-Za-z0-9_]*)""",
    re.VERBOSE | re.DOTALL,
)


def by_position(query: str, parameters: Mapping[str, Any]) -> tuple[str, tuple[Any, ...]]:
    """A query with `?` for each `$name`, and the values in their order; texts, names and comments stay as they are.

    Raises:
        ParameterError: a value is missing, or none of the names is that of a value.

    Example:
        >>> by_position("select '$n', $n + $m where a < $n", {"n": 1, "m": 2})
        ("select '$n', ? + ? where a < ?", (1, 2, 1))
    """
    used: list[str] = []

    def replaced(token: re.Match[str]) -> str:
        if token["name"] is None:
            return token[0]
        used.append(token["name"])
        return "?"

    changed = _TOKENS.sub(replaced, query)
    if missing := [name for name in used if name not in parameters]:
        raise ParameterError(f"parameter ${missing[0]} has no value", next_step="give it a value")
    if unused := sorted(set(parameters) - set(used)):
        raise ParameterError(
            f"the query has no parameter ${unused[0]}", next_step=suggest(unused[0], used, "parameter")
        )
    return changed, tuple(parameters[name] for name in used)
