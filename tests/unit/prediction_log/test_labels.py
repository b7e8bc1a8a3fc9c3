"""Labels: which one counts, what is refused, and that the same file is there once."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tidewheel.core.errors import SchemaMismatchError, UnreadableFileError
from tidewheel.prediction_log.labels import TABLE, add_labels
from tidewheel.table_store import PyIcebergTableStore

AT = datetime(2013, 5, 1, tzinfo=UTC)


@pytest.fixture
def tables(tmp_path):
    return PyIcebergTableStore.open(tmp_path / "tables")


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def held(tables) -> list[tuple[str, float]]:
    rows = tables.read(tables.snapshot(TABLE)).to_arrow().to_pylist()
    return sorted((row["prediction_id"], row["value"]) for row in rows)


def test_ids_stay_text_in_every_format(tables, tmp_path):
    csv = write(tmp_path / "a.csv", "prediction_id,label\n007,1\n2013-04-01,0\n1e5,true\n".replace("true", "1"))
    json = write(tmp_path / "a.json", '{"prediction_id": "2013-04-01T00:00:00", "label": 1}\n')
    pq.write_table(pa.table({"prediction_id": ["0x1"], "label": [True]}), tmp_path / "a.parquet")
    added = add_labels(tables, [csv, json, tmp_path / "a.parquet"], at=AT)
    assert added.rows == 5
    assert held(tables) == [
        ("007", 1.0),
        ("0x1", 1.0),
        ("1e5", 1.0),
        ("2013-04-01", 0.0),
        ("2013-04-01T00:00:00", 1.0),
    ]


def test_a_file_s_content_is_there_once_alone_or_beside_others(tables, tmp_path):
    one = write(tmp_path / "a.csv", "prediction_id,label\na,1\n")
    copy = write(tmp_path / "copy.csv", "prediction_id,label\na,1\n")
    other = write(tmp_path / "b.csv", "prediction_id,label\nb,0\n")
    assert add_labels(tables, [one, copy], at=AT).rows == 1
    again = add_labels(tables, [copy], at=AT + timedelta(days=1))
    assert (again.rows, again.snapshot) == (0, None)
    assert add_labels(tables, [one, other], at=AT).rows == 1
    assert held(tables) == [("a", 1.0), ("b", 0.0)]


def test_a_file_that_many_add_at_once_is_there_once(tables, tmp_path):
    file = write(tmp_path / "a.csv", "prediction_id,label\na,1\nb,0\n")
    barrier, added = threading.Barrier(4), []

    def add():
        own = PyIcebergTableStore.open(tmp_path / "tables")
        barrier.wait()
        added.append(add_labels(own, [file], at=AT).rows)

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(added) == [0, 0, 0, 2]
    assert held(tables) == [("a", 1.0), ("b", 0.0)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("id,label\na,1\n", "no column 'prediction_id'"),
        ("prediction_id,lable\na,1\n", "no column 'label'(.|\n)*lable"),
        ("prediction_id,label\na,1\nb,\n", "row 1 has label None"),
        ("prediction_id,label\na,nan\n", "row 0 has label"),
        ("prediction_id,label\na,inf\n", "row 0 has label"),
        ("prediction_id,label\na,late\n", "column 'label' holds what is no double"),
        ("prediction_id,label\n,1\n", "row 0 has prediction_id ''"),
        ("prediction_id,label,at\na,1,yesterday\n", "column 'at' holds what is no timestamp"),
        ("prediction_id,label\na,1\na,0\n", "'a' has the labels 0 and 1 at one time"),
        ("prediction_id,label,at\na,1,2013-05-01\na,0,2013-05-01\n", "'a' has the labels 0 and 1 at one time"),
    ],
)
def test_what_is_no_label_is_refused_and_nothing_is_added(tables, tmp_path, text, said):
    good = write(tmp_path / "good.csv", "prediction_id,label\nz,1\n")
    with pytest.raises(SchemaMismatchError, match=said):
        add_labels(tables, [good, write(tmp_path / "bad.csv", text)], at=AT)
    assert not tables.exists(TABLE)


def test_unreadable_files_are_named(tables, tmp_path):
    for file in (
        write(tmp_path / "empty.csv", ""),
        write(tmp_path / "header.csv", "prediction_id,label\n"),
        write(tmp_path / "a.txt", "prediction_id,label\na,1\n"),
        write(tmp_path / "a.parquet", "no parquet"),
        write(tmp_path / "a.json", "{"),
        tmp_path / "absent.csv",
    ):
        with pytest.raises(UnreadableFileError, match=file.name.replace(".", r"\.")):
            add_labels(tables, [file], at=AT)


def test_the_same_label_twice_and_a_correction_in_time_are_no_contradiction(tables, tmp_path):
    text = "prediction_id,label,at\na,1,2013-05-01\na,1,2013-05-01\na,0,2013-05-02\n"
    assert add_labels(tables, [write(tmp_path / "a.csv", text)], at=AT).rows == 3
