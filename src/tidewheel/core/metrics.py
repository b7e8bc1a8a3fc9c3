"""The output type for numbers that describe a model or data."""

from __future__ import annotations


class Metrics(dict[str, float]):
    """Numbers by name; a step returns them, nothing is logged by side effect.

    Example:
        >>> Metrics(auc=0.71)["auc"]
        0.71
    """
