"""Segments: what was answered is in the table once, whatever is torn, repeated, or moved by two at once."""

from __future__ import annotations

import fcntl
import json
import os
import threading
from datetime import UTC, datetime, timedelta

import msgspec
import pyarrow as pa
import pytest
from msgspec.structs import replace

from tidewheel.core.errors import StorageError
from tidewheel.core.records import Outlier, Prediction
from tidewheel.metadata_store import Database, SegmentStore
from tidewheel.prediction_log import move
from tidewheel.prediction_log.answered_index import FILE
from tidewheel.prediction_log.join import labelled
from tidewheel.prediction_log.labels import add_labels
from tidewheel.prediction_log.move import SCHEMA, TABLE, forget_answered, move_segments
from tidewheel.prediction_log.segment_writer import SegmentWriter
from tidewheel.prediction_log.segments import closed_segments, enter_segments, read_segment, recover
from tidewheel.table_store import PyIcebergTableStore, run_sql

AT = datetime(2013, 4, 1, tzinfo=UTC)


def prediction(name: str, version: int = 1, at: datetime = AT, x: float = 1.0) -> Prediction:
    return Prediction(
        id=name,
        request_id=name,
        endpoint="m",
        place="dev",
        model="m",
        version=version,
        package_digest="p",
        inputs={"x": x},
        outputs={"probability": 0.5},
        score=0.5,
        at=at,
        recorded_at=at,
    )


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "prediction_log"


@pytest.fixture
def tables(tmp_path):
    return PyIcebergTableStore.open(tmp_path / "tables")


@pytest.fixture
def segments(tmp_path):
    database = Database.open(f"sqlite:///{tmp_path / 'metadata.db'}")
    yield SegmentStore(database)
    database.close()


def write(folder, *names: str, version: int = 1) -> None:
    writer = SegmentWriter(folder, maximum_rows=100)
    writer.append([prediction(name, version) for name in names])
    writer.close_segment()


def held(tables) -> list[str]:
    if not tables.exists(TABLE):
        return []
    return sorted(tables.read(tables.snapshot(TABLE)).to_arrow()["prediction_id"].to_pylist())


def test_closed_segments_move_once_and_their_files_go(folder, tables, segments):
    write(folder, "a", "b")
    write(folder, "c")
    result = move_segments(folder, tables, segments)
    assert (result.rows, len(result.segment_ids), result.repeated) == (3, 2, 0)
    assert held(tables) == ["a", "b", "c"]
    assert closed_segments(folder) == []
    again = move_segments(folder, tables, segments)
    assert (again.rows, again.snapshot) == (0, None)
    assert tables.snapshot(TABLE).snapshot_id == result.snapshot.snapshot_id


def test_a_segment_whose_bookkeeping_was_lost_is_not_moved_again(folder, tables, segments, tmp_path):
    write(folder, "a", "b")
    (path,) = closed_segments(folder)
    copy = path.read_bytes()
    move_segments(folder, tables, segments)
    path.write_bytes(copy)  # as if the mover had died before it forgot the file,
    fresh = Database.open(f"sqlite:///{tmp_path / 'restored.db'}")  # and the bookkeeping had never been written
    move_segments(folder, tables, SegmentStore(fresh))
    assert held(tables) == ["a", "b"]
    assert len(SegmentStore(fresh).list()) == 1
    fresh.close()


def test_an_open_segment_is_closed_only_when_its_writer_is_dead(folder):
    writer = SegmentWriter(folder, maximum_rows=100)
    writer.append([prediction("a")])
    assert recover(folder) == []
    os.close(writer._descriptor)  # what the kernel does at death
    (closed,) = recover(folder)
    assert closed_segments(folder) == [closed]


def test_a_torn_last_line_was_never_answered(folder, tables, segments):
    writer = SegmentWriter(folder, maximum_rows=100)
    writer.append([prediction("a"), prediction("b")])
    os.write(writer._descriptor, prediction("torn").to_json()[:-7])
    os.close(writer._descriptor)
    recover(folder)
    move_segments(folder, tables, segments)
    assert held(tables) == ["a", "b"]


def test_a_segment_with_nothing_whole_vanishes(folder):
    writer = SegmentWriter(folder, maximum_rows=100)
    writer.append([prediction("a")])
    os.ftruncate(writer._descriptor, 10)
    os.close(writer._descriptor)
    assert recover(folder) == []
    assert not list(folder.glob("*.jsonl"))


def test_a_writer_s_new_file_that_was_taken_for_a_dead_one_is_made_anew(folder, monkeypatch):
    lock, taken = fcntl.flock, []

    def late(descriptor, how):
        if how == fcntl.LOCK_EX and not taken:
            taken.append(recover(folder))  # the moment between the creation of the file and its lock
        return lock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", late)
    writer = SegmentWriter(folder, maximum_rows=100)
    writer.append([prediction("a")])
    writer.close_segment()
    assert taken
    (path,) = closed_segments(folder)
    assert Prediction.from_json(path.read_bytes()).id == "a"


def test_a_damaged_segment_is_set_aside_and_the_others_move(folder, tables, segments):
    write(folder, "a")
    (bad,) = closed_segments(folder)
    bad.write_bytes(bad.read_bytes() + b"{}\n\xff\xfe")
    write(folder, "b")
    result = move_segments(folder, tables, segments)
    assert result.damaged == (bad.name.split(".")[0],)
    assert held(tables) == ["b"]
    assert [path.name for path in folder.glob("*.bad")] == [bad.with_suffix(".bad").name]


def test_a_damaged_segment_that_another_mover_has_set_aside_is_left_to_that_one(folder, tables, segments, monkeypatch):
    write(folder, "a")
    (bad,) = closed_segments(folder)
    bad.write_bytes(b"{}\n")
    write(folder, "b")

    def read_late(path):
        try:
            return read_segment(path)
        except msgspec.DecodeError:
            path.replace(path.with_suffix(".bad"))  # as the other mover does
            raise

    monkeypatch.setattr(move, "read_segment", read_late)
    result = move_segments(folder, tables, segments)
    assert (result.rows, result.damaged) == (1, ())
    assert held(tables) == ["b"]


def test_an_id_that_two_writers_answered_is_in_the_table_once(folder, tables, segments):
    write(folder, "a", "b")
    write(folder, "b", "c", version=2)
    assert move_segments(folder, tables, segments).rows == 3
    assert held(tables) == ["a", "b", "c"]
    write(folder, "a", version=2)
    assert move_segments(folder, tables, segments).repeated == 1
    assert held(tables) == ["a", "b", "c"]


def test_two_movers_at_once_move_each_segment_once(folder, tables, segments, tmp_path):
    names = [f"{number}-{row}" for number in range(6) for row in range(3)]
    for number in range(6):
        write(folder, *names[3 * number : 3 * number + 3])
    barrier, failed = threading.Barrier(3), []

    def move_all():
        database = Database.open(f"sqlite:///{tmp_path / 'metadata.db'}")
        barrier.wait()
        try:
            move_segments(folder, PyIcebergTableStore.open(tmp_path / "tables"), SegmentStore(database))
        except Exception as error:
            failed.append(error)
        database.close()

    threads = [threading.Thread(target=move_all) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert held(tables) == sorted(names)
    assert len(segments.list()) == 6


def test_a_writer_knows_what_any_process_answered(folder):
    write(folder, "a")
    dead = SegmentWriter(folder, maximum_rows=100)
    dead.append([prediction("b")])
    os.close(dead._descriptor)
    enter_segments(folder)
    writer = SegmentWriter(folder, maximum_rows=2)
    writer.append([prediction("c")])
    assert set(writer.find("m", ["a", "b", "c", "d"])) == {"a", "b", "c"}
    assert writer.find("other", ["a"]) == {}
    writer.append([prediction("d")])  # closes the segment
    assert set(writer.find("m", ["c", "d"])) == {"c", "d"}
    assert not writer._recent


def test_ids_stay_known_while_the_index_cannot_be_written(folder, tables, segments):
    write(folder, "a")
    (folder / FILE).chmod(0o400)
    writer = SegmentWriter(folder, maximum_rows=100)
    writer._index.add = raise_full
    writer.append([prediction("b")])
    writer.close_segment()
    assert set(writer.find("m", ["a", "b"])) == {"a", "b"}
    (folder / FILE).chmod(0o600)
    move_segments(folder, tables, segments)
    assert set(SegmentWriter(folder, maximum_rows=9).find("m", ["a", "b"])) == {"a", "b"}


def test_old_ids_are_forgotten_once_the_table_has_them(folder, tables, segments):
    """All of these were answered years ago: what waits is known, what was moved can be asked anew, young ids stay."""
    write(folder, "a")
    move_segments(folder, tables, segments)
    write(folder, "waits")
    dead = SegmentWriter(folder, maximum_rows=100)
    dead.append([prediction("open")])
    writer = SegmentWriter(folder, maximum_rows=1)
    writer.append([prediction("young", at=datetime.now(UTC))])
    assert forget_answered(folder, days=30) == 1
    assert set(writer.find("m", ["a", "waits", "young"])) == {"waits", "young"}
    write(folder, "waits", "a", version=2)
    assert move_segments(folder, tables, segments).repeated == 1
    assert held(tables) == ["a", "a", "waits", "young"]
    dead.close_segment()
    move_segments(folder, tables, segments)
    assert forget_answered(folder, days=30) == 3
    assert set(writer.find("m", ["a", "waits", "open", "young"])) == {"young"}


def raise_full(*_):
    raise StorageError("full")


def test_a_full_disk_refuses_the_whole_request(folder):
    writer = SegmentWriter(folder, maximum_rows=100)
    writer.append([prediction("a")])
    descriptor = writer._descriptor
    writer._descriptor = os.open("/dev/full", os.O_RDWR)
    with pytest.raises((StorageError, OSError)):
        writer.append([prediction("b")])
    os.close(writer._descriptor)
    writer._descriptor = descriptor
    writer.close_segment()
    (path,) = closed_segments(folder)
    assert len(path.read_bytes().splitlines()) == 1


def test_predictions_are_joined_with_what_was_known_by_a_time(folder, tables, segments, tmp_path):
    writer = SegmentWriter(folder, maximum_rows=100)
    writer.append([prediction(name, at=AT + timedelta(hours=hour)) for hour, name in enumerate("abcd")])
    writer.append([prediction("late", at=AT + timedelta(days=40)), prediction("never")])
    writer.close_segment()
    move_segments(folder, tables, segments)
    first = "prediction_id,label,at\na,0,2013-04-02\nb,1,2013-04-02\nunasked,1,2013-04-02\nlate,1,2013-04-02\n"
    second = "prediction_id,label,at\na,1,2013-04-10\nc,1,2013-04-10\n"
    third = "prediction_id,label,at\na,0,2013-04-05\nb,0,2013-04-02\n"
    for number, text in enumerate((first, second, third)):
        path = tmp_path / f"{number}.csv"
        path.write_text(text)
        add_labels(tables, [path], at=AT)

    def known(day: int) -> dict[str, float]:
        found = labelled(tables, "m", AT, AT + timedelta(days=30), as_known_at=datetime(2013, 4, day, tzinfo=UTC))
        assert found.asked == {1: 5}
        return dict(zip(found.table["prediction_id"].to_pylist(), found.table["label"].to_pylist(), strict=True))

    assert known(1) == {}
    assert known(2) == {"a": 0.0, "b": 0.0}  # of equally late ones the one that was recorded last
    assert known(11) == {"a": 1.0, "b": 0.0, "c": 1.0}  # what became known last, though it was recorded before
    assert labelled(tables, "other", AT, AT + timedelta(days=30), as_known_at=AT).asked == {}


def test_outliers_are_columns_of_the_table_also_of_one_that_an_earlier_version_made(folder, tables, segments):
    tables.create(TABLE, pa.schema([field for field in SCHEMA if field.name not in ("outliers", "is_quarantined")]))
    found = {
        name: (Outlier(column="x", policy=name, value=9.0, limit=2.0),) for name in ("flag", "quarantine", "fall_back")
    }
    writer = SegmentWriter(folder, maximum_rows=10)
    writer.append([prediction("usual"), *(replace(prediction(name), outliers=one) for name, one in found.items())])
    writer.close_segment()
    move_segments(folder, tables, segments)
    read = run_sql(
        "select * from predictions where not is_quarantined", {TABLE: tables.reference(tables.snapshot(TABLE))}
    )
    rows = {row["prediction_id"]: row["outliers"] for row in read.to_pylist()}
    assert sorted(rows) == ["fall_back", "flag", "usual"]
    assert rows["usual"] is None
    assert json.loads(rows["flag"]) == [{"column": "x", "policy": "flag", "value": 9.0, "limit": 2.0}]
