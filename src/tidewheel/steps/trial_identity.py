"""What tells one search in a notebook from another, where no step's key covers its rows and functions."""

from __future__ import annotations

from types import CodeType
from typing import Any

import pandas as pd

from tidewheel.core.digest import digest_bytes, digest_value


def digest_rows(rows: pd.DataFrame) -> str:
    """Of names, types and values, in their order; of values that cannot be hashed, such as lists, their text.

    Example:
        >>> digest_rows(pd.DataFrame({"a": [1]})) == digest_rows(pd.DataFrame({"a": [2]}))
        False
    """
    try:
        hashes = pd.util.hash_pandas_object(rows, index=False)
    except TypeError:
        hashes = pd.util.hash_pandas_object(rows.astype(str), index=False)
    head = [[str(name), str(kind)] for name, kind in rows.dtypes.items()]
    return digest_value("rows", [head, digest_bytes("rows", hashes.to_numpy().astype("<u8").tobytes())])


def digest_function(function: Any) -> str:
    """Of what a function does itself, whichever file or cell it stands in; not of what it calls.

    Example:
        >>> digest_function(lambda rows: rows + 1) == digest_function(lambda rows: rows + 2)
        False
    """
    code = getattr(function, "__code__", None) or getattr(type(function).__call__, "__code__", None)
    return digest_value("function", _parts(code) if code is not None else type(function).__qualname__)


def _parts(code: CodeType) -> list[Any]:
    constants = [_parts(one) if isinstance(one, CodeType) else _shown(one) for one in code.co_consts]
    return [code.co_code.hex(), list(code.co_names), list(code.co_varnames), constants]


def _shown(constant: Any) -> str:
    """A set has another order in each process."""
    return repr(sorted(map(repr, constant))) if isinstance(constant, frozenset) else repr(constant)
