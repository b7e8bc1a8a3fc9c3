"""Who answers `table(...)` in a notebook: the workspace that was opened last, until it is closed."""

from __future__ import annotations

import subprocess
import sys

import pandas as pd
import pytest

import tidewheel
from tidewheel.core.errors import DefinitionError, NotFoundError, ParameterError
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


def test_one_file_is_ingested_like_a_list_of_one_and_rows_in_memory_are_refused(folders):
    with tidewheel.open(folders[0]) as workspace:
        assert workspace.ingest("flights", str(_rows(folders[0]))).rows == 1
        for given in (pd.DataFrame({"a": [1]}), [pd.DataFrame({"a": [1]})]):
            with pytest.raises(ParameterError, match=r"DataFrame is none(.|\n)*to_parquet"):
                workspace.ingest("flights", given)
        assert workspace.table("flights").row_count == len(workspace.runs(with_operations=True)) == 1


def test_a_notebook_completes_the_public_names_before_they_are_loaded():
    done = subprocess.run(
        [sys.executable, "-c", "import sys, tidewheel; print(*dir(tidewheel)); assert 'pandas' not in sys.modules"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert {"open", "Workspace", "TidewheelError"} <= set(done.stdout.split())


def _rows(folder):
    path = folder / "rows.csv"
    path.write_text("a\n1\n")
    return path
