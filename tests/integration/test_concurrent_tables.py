"""Many processes on one table, and processes that are killed: no row is lost, none is there twice."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pyarrow as pa
import pytest

from tidewheel.metadata_store import Database, IngestStore
from tidewheel.steps.data_ingestion import ingest
from tidewheel.table_store import PyIcebergTableStore

APPEND = """
import sys, pathlib, pyarrow as pa
from tidewheel.table_store import PyIcebergTableStore
store = PyIcebergTableStore.open(pathlib.Path(sys.argv[1]))
for n in range(int(sys.argv[3])):
    store.append("t", pa.table({"writer": [int(sys.argv[2])] * 10, "n": [n] * 10}))
"""

INGEST = """
import os, signal, sys, pathlib
from tidewheel.steps.data_ingestion import ingest
from tidewheel.table_store import PyIcebergTableStore

from tidewheel.metadata_store import Database, IngestStore

class Ingests(IngestStore):
    def put(self, ingest):
        if sys.argv[3] == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        return super().put(ingest)

ingests = Ingests(Database.open(f"sqlite:///{pathlib.Path(sys.argv[2]).parent}/facts.db"))
store = PyIcebergTableStore.open(pathlib.Path(sys.argv[1]))
print(ingest(store, "t", [sys.argv[2]], ingests=ingests).rows)
"""


def start(code, *arguments):
    return subprocess.Popen([sys.executable, "-c", code, *map(str, arguments)], stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize(("count", "appends"), [(3, 6), pytest.param(4, 8, marks=pytest.mark.slow)])
def test_all_appends_of_all_processes_land_while_others_read(tmp_path, count, appends):
    store = PyIcebergTableStore.open(tmp_path)
    store.create("t", pa.schema({"writer": pa.int64(), "n": pa.int64()}))
    writers = [start(APPEND, tmp_path, writer, appends) for writer in range(count)]
    counts = [0]
    while any(writer.poll() is None for writer in writers):
        snapshot = store.snapshot("t")
        rows = store.read(snapshot).to_arrow().num_rows
        assert rows == snapshot.row_count
        assert rows % 10 == 0
        counts.append(rows)
        time.sleep(0.01)  # the writers need the cores, too
    for writer in writers:
        writer.communicate()
    assert [writer.returncode for writer in writers] == [0] * count
    assert counts == sorted(counts)
    reader = store.read(store.snapshot("t"))
    assert reader.sql("select writer, n, count(*) c from this group by all having c <> 10").num_rows == 0
    assert reader.row_count == count * appends * 10
    assert reader.to_arrow().num_rows == count * appends * 10
    assert len(store.snapshots("t")) == count * appends + 1


def test_a_warehouse_is_opened_and_a_file_ingested_by_several_processes_at_once(tmp_path):
    (tmp_path / "f.csv").write_text("n\n1\n2\n")
    ingests = IngestStore(Database.open(f"sqlite:///{tmp_path}/facts.db"))
    processes = [start(INGEST, tmp_path / "tables", tmp_path / "f.csv", "live") for _ in range(3)]
    rows = sorted(process.communicate()[0].strip() for process in processes)
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert rows == ["0", "0", "2"]
    assert [kept.row_count for kept in ingests.list()] == [2]
    assert PyIcebergTableStore.open(tmp_path / "tables").snapshot("t").row_count == 2


def test_a_kill_between_the_commit_and_the_bookkeeping_adds_nothing_twice(tmp_path):
    (tmp_path / "f.csv").write_text("n\n1\n2\n")
    process = start(INGEST, tmp_path / "tables", tmp_path / "f.csv", "die")
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    store = PyIcebergTableStore.open(tmp_path / "tables")
    assert store.snapshot("t").row_count == 2
    ingests = IngestStore(Database.open(f"sqlite:///{tmp_path}/facts.db"))
    assert list(ingests.list()) == []
    result = ingest(store, "t", [tmp_path / "f.csv"], ingests=ingests)
    assert (result.rows, result.snapshot.row_count) == (0, 2)
    assert [kept.snapshot_id for kept in ingests.list()] == [result.snapshot.snapshot_id]


@pytest.mark.slow
def test_a_writer_killed_at_any_moment_leaves_a_table_that_works(tmp_path):
    store = PyIcebergTableStore.open(tmp_path)
    store.create("t", pa.schema({"writer": pa.int64(), "n": pa.int64()}))
    rows = 0
    for round_number in range(6):
        process = start(APPEND, tmp_path, round_number, 1000)
        deadline = time.monotonic() + 30
        while store.snapshot("t").row_count < rows + 20 and time.monotonic() < deadline:
            pass
        process.kill()
        process.wait()
        process.communicate()
        snapshot = store.append("t", pa.table({"writer": [-1] * 10, "n": [round_number] * 10}))
        store.read(snapshot).verify()
        rows = snapshot.row_count
        assert store.read(snapshot).to_arrow().num_rows == rows
