"""`why TABLE`: rows that no model gave are walked back to the files and queries that they came from."""

from __future__ import annotations

import pytest

from small_project import SmallProject
from tidewheel.core.errors import NotFoundError


@pytest.fixture
def project(tmp_path):
    project = SmallProject(tmp_path / "project")
    path = project.folder / "tidewheel.toml"
    path.write_text(path.read_text() + "[tables]\nmin_files = 2\n")
    for number in (1, 2):
        (project.folder / f"part-{number}.csv").write_text("x\n" + f"{number}\n" * number)
    return project


def test_why_of_ingested_rows_names_their_files_and_of_extracted_ones_what_was_read(project):
    with project.open() as workspace:
        first = workspace.ingest("points", [project.folder / "part-1.csv"])
        second = workspace.ingest("points", [project.folder / "part-2.csv"])
        chain = workspace.why("points")
        assert chain.is_whole
        assert (chain.table, chain.model, chain.version) == (f"points@{second.snapshot.snapshot_id}", "", 0)
        assert [link.noun for link in chain.links] == [
            *("snapshot", "run", "file", "event", "person", "command", "snapshots")
        ]
        assert chain.links[1].ref == workspace.runs(pipeline="ingest")[0].id
        assert chain.links[2].text == "2 rows of part-2.csv"
        assert chain.links[-1].text == "ingested before: 1 row of 1 file"
        assert workspace.why(f"points@{first.snapshot.snapshot_id}").links[2].text == "1 row of part-1.csv"

        half = workspace.extract("half", "select * from points limit 1")
        links = {link.noun: link for link in workspace.why("half").links if link.depth == 1}
        assert links["snapshot"].ref == f"points@{second.snapshot.snapshot_id}"
        (execution,) = workspace.runs(pipeline="extract")[0].executions
        assert execution.inputs["points"].digest == second.snapshot.digest

        (compacted,) = workspace.maintain("points")
        assert compacted.compaction
        chain = workspace.why("points")
        assert chain.is_whole
        assert chain.links[1].text.startswith("compact succeeded")
        assert [one.ref for one in chain.links if one.text == "was read"] == [f"points@{second.snapshot.snapshot_id}"]
        assert chain.links[-1].text == "ingested before: 3 rows of 2 files"
        with pytest.raises(NotFoundError, match="snapshot"):
            workspace.why(f"points@{half.snapshot_id}")


def test_rows_that_no_operation_wrote_have_no_whole_chain(project):
    import pyarrow as pa

    with project.open() as workspace:
        workspace.stores.tables.create("foreign", pa.table({"x": [1]}))
        chain = workspace.why("foreign")
        assert not chain.is_whole
        assert "no operation that made it is on record" in chain.links[1].text
    assert "the chain is broken" in project.tidewheel("why", "foreign", code=6)
