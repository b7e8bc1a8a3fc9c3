"""Working memory of a thread that is used again and again: fresh pages cost more than what is done in them."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import numpy.typing as npt

LIMIT = 1 << 18
"""More words than that are not kept."""


class _Kept(threading.local):
    words: npt.NDArray[np.uint64] = np.zeros(0, np.uint64)


_kept = _Kept()


def scratch(count: int, type_: npt.DTypeLike) -> npt.NDArray[Any]:
    """An array of words of 64 bits with any content; it is the caller's until the next call in the same thread.

    Example:
        >>> scratch(3, np.float64).shape, scratch(2, np.int64).dtype
        ((3,), dtype('int64'))
    """
    if len(_kept.words) < count:
        words = np.empty(count, np.uint64)
        if count > LIMIT:
            return words.view(type_)
        _kept.words = words
    return _kept.words[:count].view(type_)
