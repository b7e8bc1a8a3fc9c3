"""What data says is text on a card, never markup."""

from __future__ import annotations

import pytest

from tidewheel.workspace.card_document import Document, Picture, Section, Table

HOSTILE = ["<script>alert(1)</script>", "a|b", "[x](javascript:1)", "`code`", "two\nlines"]


@pytest.mark.parametrize("text", HOSTILE)
def test_what_data_says_stays_text(text):
    page = Document(text, text, (Section(text, (text, Table((text,), ((text,),)))),))
    html, markdown = page.to_html(), page.to_markdown()
    assert "<script" not in html
    assert "<script" not in markdown
    assert "[x](" not in markdown.replace("\\[x](", "")
    row = [line for line in markdown.splitlines() if line.startswith("| ")]
    assert len(row) == 2
    assert all(line.count("|") - line.count("\\|") == 2 for line in row)


def test_equal_documents_give_equal_bytes():
    page = Document("a", "b", (Section("c", (Picture("p", b"png", "tidewheel get r/p"),)),))
    assert page.to_html() == Document("a", "b", page.sections).to_html()
    assert "tidewheel get r/p" in page.to_markdown()
    assert "data:image/png;base64,cG5n" in page.to_html()
