"""How commands tell what they found: aligned tables for people, JSON for programs, files for who asked for one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from tidewheel.core.errors import StorageError
from tidewheel.workspace.cell import format_cell

COLOURS = {
    "succeeded": "green",
    "approved": "green",
    "cached": "cyan",
    "running": "blue",
    "failed": "red",
    "rejected": "red",
    "interrupted": "red",
    "stopped": "yellow",
    "cancelled": "yellow",
    "skipped": "yellow",
}


def print_json(value: Any) -> None:
    """Prints records and plain values as indented JSON."""
    import msgspec

    plain = msgspec.to_builtins(value, enc_hook=str, str_keys=True)
    click.echo(json.dumps(plain, indent=2, ensure_ascii=False))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, empty: str) -> None:
    """Prints rows under their heads, numbers to the right.

    Args:
        empty: what to say when there is no row.
    """
    cells = [[format_cell(value) for value in row] for row in rows]
    if not cells:
        click.echo(empty)
        return
    widths = [max(len(head), *(len(row[index]) for row in cells)) for index, head in enumerate(columns)]
    is_number = [all(_is_number(row[index]) for row in cells) for index in range(len(columns))]
    click.secho(_line(columns, widths, is_number), bold=True)
    for row in cells:
        line = _line(row, widths, is_number)
        colour = next((COLOURS[cell] for cell in row if cell in COLOURS), None)
        click.echo(_coloured(line, row, colour))


def as_stored(row: Iterable[Any]) -> list[Any]:
    """The values of a table's row with whole numbers as they are: they may be years and ids, which nobody groups.

    Example:
        >>> as_stored((2013, 0.123456, True))
        ['2013', 0.123456, True]
    """
    return [str(value) if type(value) is int else value for value in row]


def write_text(place: Path, text: str, *, what: str = "page", option: str = "--to", makes_folder: bool = False) -> None:
    """Writes the file that an option names.

    Args:
        what: the file is, for the error.
        option: which named it.
        makes_folder: whether the folder that it lies in is made when there is none.

    Raises:
        StorageError: the place cannot be written.
    """
    try:
        if makes_folder:
            place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")
    except OSError as error:
        raise StorageError(
            f"the {what} cannot be written: {error.strerror}",
            where=str(place),
            next_step=f"name another file with {option}",
        ) from error


def print_left(left: Mapping[str, str]) -> None:
    """Tells of endpoints that a model has left, and how to end them."""
    for old, new in left.items():
        click.echo(f"endpoint {old} was left for {new} and still answers: `tidewheel undeploy {old}` takes it down")


def print_facts(facts: Mapping[str, Any]) -> None:
    """Prints names and values, one a line; empty values are left out."""
    shown = {name: format_cell(value) for name, value in facts.items() if value not in (None, "", (), {}, [])}
    width = max((len(name) for name in shown), default=0)
    for name, value in shown.items():
        click.echo(f"{name:<{width}}  {value}")


def _is_number(cell: str) -> bool:
    return cell == "-" or cell.replace(",", "").replace(".", "").lstrip("+-").isdigit()


def _line(cells: Sequence[str], widths: Sequence[int], is_number: Sequence[bool]) -> str:
    padded = [
        cell.rjust(width) if right else cell.ljust(width)
        for cell, width, right in zip(cells, widths, is_number, strict=True)
    ]
    return "  ".join(padded).rstrip()


def _coloured(line: str, row: Sequence[str], colour: str | None) -> str:
    if colour is None:
        return line
    word = next(cell for cell in row if cell in COLOURS)
    return line.replace(word, click.style(word, fg=colour), 1)
