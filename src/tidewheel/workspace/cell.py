"""One value as people read it, in a terminal, a page or a document."""

from __future__ import annotations

from datetime import datetime
from typing import Any


def format_cell(value: Any, *, digits: int = 4, nothing: str = "-") -> str:
    """One value as text: times to the second in UTC, numbers short.

    Args:
        digits: of a number with a fraction; more where values that differ a little stand side by side.
        nothing: stands for what is not there.

    Example:
        >>> format_cell(0.123456), format_cell(1234567), format_cell(None), format_cell({"is_fast": True})
        ('0.1235', '1,234,567', '-', 'is_fast=yes')
    """
    if value is None or value == "":
        return nothing
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, float):
        return f"{value:.{digits}g}" if abs(value) < 1e6 else f"{value:,.0f}"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, dict):
        return ", ".join(f"{name}={format_cell(one, digits=digits, nothing=nothing)}" for name, one in value.items())
    return str(value)
