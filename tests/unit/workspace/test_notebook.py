"""Who answers `table(...)` in a notebook: the workspace that was opened last, until it is closed."""

from __future__ import annotations

import pytest

import tidewheel
from tidewheel.core.errors import DefinitionError, NotFoundError
from tidewheel.pipeline import champion, set_resolver, table


@pytest.fixture
def folders(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "tidewheel.toml").write_text(f'[project]\nname = "{name}"\n')
    yield tmp_path / "a", tmp_path / "b"
    set_resolver(None)


def test_a_closed_workspace_answers_no_more(folders):
    with tidewheel.open(folders[0]):
        assert champion("m") is None
        with pytest.raises(NotFoundError):
            table("flights")
    with pytest.raises(DefinitionError, match="no workspace is open"):
        table("flights")


def test_closing_an_earlier_workspace_leaves_the_one_that_was_opened_since(folders):
    first, second = (tidewheel.open(folder) for folder in folders)
    second.ingest("flights", [_rows(folders[1])])
    first.close()
    assert table("flights").row_count == 1
    second.close()
    with pytest.raises(DefinitionError, match="no workspace is open"):
        champion("m")


def _rows(folder):
    path = folder / "rows.csv"
    path.write_text("a\n1\n")
    return path
