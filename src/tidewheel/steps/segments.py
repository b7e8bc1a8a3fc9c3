"""The segments of a column: its frequent values."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

MOST_SEGMENTS = 50


def segments_of(column: pd.Series, minimum_rows: int) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """The most frequent values that have enough rows, at most 50, and which rows have them.

    Example:
        >>> [(value, rows.tolist()) for value, rows in segments_of(pd.Series(["a", "b", "a", None]), 2)]
        [('a', [True, False, True, False])]
    """
    codes, values = pd.factorize(column.astype(object))
    counts = np.bincount(codes[codes >= 0], minlength=len(values))
    for code in np.argsort(-counts, kind="stable")[:MOST_SEGMENTS]:
        if counts[code] >= minimum_rows:
            yield str(values[code]), codes == code
