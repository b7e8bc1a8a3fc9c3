"""Numbers with their nouns."""

from __future__ import annotations


def counted(number: int, noun: str = "row") -> str:
    """A number with its noun, of which there may be one or many.

    Example:
        >>> counted(1), counted(1200, "file")
        ('1 row', '1,200 files')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
