"""A document of sections as Markdown and as one HTML file that needs nothing else."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

from tidewheel.steps.analysis_style import STYLE
from tidewheel.workspace.cell import format_cell


@dataclass(frozen=True)
class Table:
    """Rows under heads; numbers are written as they are given."""

    heads: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


@dataclass(frozen=True)
class Picture:
    """A PNG; `ref` says how to get it, for forms that hold no pictures."""

    name: str
    png: bytes
    ref: str


@dataclass(frozen=True)
class Section:
    """A heading with texts, tables and pictures in their order."""

    title: str
    parts: tuple[str | Table | Picture, ...]


@dataclass(frozen=True)
class Document:
    """A title, what stands below it, and sections.

    Example:
        >>> page = Document("late v3", "approved", (Section("Data", (Table(("table",), (("a|b",),)),)),))
        >>> print(page.to_markdown())
        # late v3
        <BLANKLINE>
        approved
        <BLANKLINE>
        ## Data
        <BLANKLINE>
        | table |
        |---|
        | a\\|b |
        <BLANKLINE>
    """

    title: str
    lead: str
    sections: tuple[Section, ...] = field(default_factory=tuple)

    def to_markdown(self) -> str:
        """CommonMark with tables; pictures as the command that gets them."""
        lines = [f"# {_plain(self.title)}", "", _plain(self.lead), ""]
        for section in self.sections:
            lines += [f"## {_plain(section.title)}", ""]
            for part in section.parts:
                lines += [*_markdown(part), ""]
        return "\n".join(lines)

    def to_html(self) -> str:
        """One file, light or dark, readable on a phone; every text from data is escaped."""
        bodies = "".join(
            f"<h2>{escape(section.title)}</h2>{''.join(_html(part) for part in section.parts)}"
            for section in self.sections
        )
        return (
            '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<title>{escape(self.title)}</title><style>{STYLE}{_MORE}</style></head><body><main>"
            f'<h1>{escape(self.title)}</h1><p class="note">{escape(self.lead)}</p>{bodies}</main></body></html>\n'
        )


_MORE = """.scroll { margin:0 0 18px }
figure { margin:14px 0; background:#fff; border-radius:10px; padding:8px } figure img { max-width:100% }
"""


def shown(value: Any) -> str:
    """A cell of a document."""
    return format_cell(value, nothing="–")


def _markdown(part: str | Table | Picture) -> Sequence[str]:
    if isinstance(part, str):
        return [_plain(part)]
    if isinstance(part, Picture):
        return [f"Picture {_plain(part.name)}: `{part.ref}`"]
    head = f"| {' | '.join(_plain(one) for one in part.heads)} |"
    lines = [f"| {' | '.join(_plain(shown(cell)) for cell in row)} |" for row in part.rows]
    return [head, "|" + "---|" * len(part.heads), *lines]


def _plain(text: str) -> str:
    """One line of text that is neither markup nor a cell's end."""
    for mark, safe in (("\\", "\\\\"), ("&", "&amp;"), ("<", "&lt;"), ("|", "\\|"), ("[", "\\["), ("`", "\\`")):
        text = text.replace(mark, safe)
    return " ".join(text.split())


def _html(part: str | Table | Picture) -> str:
    if isinstance(part, str):
        return f"<p>{escape(part)}</p>"
    if isinstance(part, Picture):
        data = base64.b64encode(part.png).decode("ascii")
        return f'<figure><img alt="{escape(part.name)}" src="data:image/png;base64,{data}"></figure>'
    numeric = [
        bool(part.rows)
        and all(isinstance(row[at], int | float | None) and not isinstance(row[at], bool) for row in part.rows)
        for at in range(len(part.heads))
    ]
    kinds = [' class="n"' if is_number else "" for is_number in numeric]
    heads = "".join(f"<th{kind}>{escape(head)}</th>" for head, kind in zip(part.heads, kinds, strict=True))
    rows = "".join(
        "<tr>"
        + "".join(f"<td{kind}>{escape(shown(cell))}</td>" for cell, kind in zip(row, kinds, strict=True))
        + "</tr>"
        for row in part.rows
    )
    return f'<div class="scroll"><table><tr>{heads}</tr>{rows}</table></div>'
