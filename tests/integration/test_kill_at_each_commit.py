"""kill -9 just before each commit of an ingest, a materialization and a maintenance.

What they change durably they change by transactions of SQLite: of the catalog, the facts, the online store. Between two
of these only files come and go that nobody refers to yet. So the moments before each commit are all the moments that
there are. Each time everything begins in the same place from the same copy.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pandera.pandas as pa
import pyarrow as arrow
import pyarrow.parquet as parquet
import pytest

from feature_tables import GrowingTable
from tidewheel.core.clock import utc_now
from tidewheel.feature_store import OnlineStore, materialize
from tidewheel.metadata_store import Database, IngestStore
from tidewheel.pipeline import Contract, FeatureView
from tidewheel.steps.audited_publish import AuditedPublish
from tidewheel.steps.data_ingestion import books, ingest
from tidewheel.steps.pandera_contract import translate
from tidewheel.steps.quarantine import Quarantine
from tidewheel.table_store import MaintenancePolicy, PyIcebergTableStore

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

AT = datetime(2026, 1, 1, tzinfo=UTC)
CONTRACT = translate(
    Contract("t", pa.DataFrameSchema({"id": pa.Column("int64", pa.Check.ge(0))}), unique=["id"], profile=None)
)
INSTANT = arrow.timestamp("us", tz="UTC")

SERVER = """
import importlib.util, os, signal, sqlite3, sys, traceback

connect = sqlite3.connect
left = 0

def look(statement):
    global left
    left -= statement.strip().lower().startswith(("commit", "end"))
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)

def traced(*arguments, **settings):
    connection = connect(*arguments, **settings)
    connection.set_trace_callback(look)
    return connection

sqlite3.connect = sqlite3.dbapi2.connect = traced
spec = importlib.util.spec_from_file_location("crashing", sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        left = int(line)
        try:
            getattr(module, sys.argv[2])(*sys.argv[3:])
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
"""Imports everything once and carries each turn out in a process of its own, which dies before one of its commits."""


def commits_of(work, place, *, check):
    """Kills the work before its first commit, its second, and so on, until it ends; gives how many there were."""
    copy = place.with_name(f"{place.name}-copy")
    shutil.copytree(place, copy)
    command = [sys.executable, "-W", "ignore", "-c", SERVER, __file__, work.__name__, str(place)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as server:
        try:
            for survived in range(100):
                shutil.rmtree(place)
                shutil.copytree(copy, place)
                server.stdin.write(f"{survived}\n")
                code = int(server.stdout.readline())
                assert code in (0, -signal.SIGKILL)
                check()
                if code == 0:
                    return survived
        finally:
            server.kill()
    raise AssertionError("it does not end")


def bring(place):
    """Rows 10 to 15, of which one breaks a rule and one repeats a key of the table."""
    from pathlib import Path

    place = Path(place)
    store = PyIcebergTableStore.open(place / "tables")
    ingests = IngestStore(Database.open(f"sqlite:///{place}/facts.db"))
    audit = AuditedPublish(store, CONTRACT, at=AT)
    result = ingest(store, "t", [place / "next.parquet"], ingests=ingests, audit=audit)
    kept = Quarantine(store, "t", books(store, "t", ingests))
    return result, [(batch.rows, batch.status) for batch in kept.batches()], kept._rows(None).num_rows


def ids(place):
    store = PyIcebergTableStore.open(place / "tables")
    return store.read(store.snapshot("t")).to_arrow()["id"].to_pylist() if store.exists("t") else []


@pytest.mark.parametrize("is_first", [False, True])
def test_an_ingest_leaves_the_table_as_it_was_or_complete_and_a_rerun_finishes_it(tmp_path, is_first):
    place = tmp_path / "place"
    place.mkdir()
    store = PyIcebergTableStore.open(place / "tables")
    before = [] if is_first else [1, 2]
    parquet.write_table(arrow.table({"id": [10, 11, -1, 12, 10 if is_first else 1, 13]}), place / "next.parquet")
    if before:
        store.create("t", arrow.table({"id": before}))
    complete = [*before, 10, 11, 12, 13]
    seen = []

    def check():
        found = ids(place)
        assert found in (before, complete)
        seen.append(found)
        bring(place)
        _, batches, rows = bring(place)  # and once more, which changes nothing
        assert ids(place) == complete
        assert (batches, rows) == ([(2, "held")], 2)
        refs = PyIcebergTableStore.open(place / "tables")._load("t").metadata.refs
        assert list(refs) == ["main"]

    assert commits_of(bring, place, check=check) >= 6, "staging, quarantine, staging, publish, books"
    assert before in seen
    assert complete in seen[:-1], "some kill came after the publish"


def care(place):
    """Compaction, expiry, removal of orphans."""
    from pathlib import Path

    maintenance = PyIcebergTableStore.open(Path(place)).maintenance
    maintenance.compact("t", MaintenancePolicy(min_files=2))
    maintenance.expire("t", older_than=utc_now() - timedelta(days=1), keep_snapshots=2, keep=tuple)
    maintenance.remove_orphans("t", timedelta(0))


def test_maintenance_leaves_every_row_and_a_rerun_finishes_it(tmp_path):
    place = tmp_path / "place"
    store = PyIcebergTableStore.open(place)
    store.create("t", arrow.table({"id": [0]}))
    for number in range(1, 6):
        store.append("t", arrow.table({"id": [number]}), properties={f"tidewheel.brought.{number}": "yes"})
    digest = store.snapshot("t").digest

    def check():
        for _ in range(2):
            store = PyIcebergTableStore.open(place)
            snapshot = store.snapshot("t")
            assert snapshot.digest == digest
            store.read(snapshot).verify()
            assert store.read(snapshot).to_arrow()["id"].to_pylist() == list(range(6))
            assert all(store.find_by_property("t", f"tidewheel.brought.{number}") for number in range(1, 6))
            care(place)
        named = {file.path for one in store.snapshots("t") for file in store.reference(one).files}
        assert {str(path) for path in place.rglob("*.parquet")} == named
        assert len(store.snapshots("t")) == 2

    assert commits_of(care, place, check=check) >= 3


VIEW = FeatureView("v", "values", ["entity"], "event", None, {"f": "x"}, created_time="event").definition
NEW_VIEW = FeatureView("v", "values", ["entity"], "event", None, {"f": "x + 100"}, created_time="event").definition


def fill(place):
    """The view as it is declared anew, from three files."""
    from pathlib import Path

    from tidewheel.table_store import TableReference

    reference = TableReference.from_json((Path(place) / "reference.json").read_bytes())
    materialize(Path(place) / "online.db", NEW_VIEW, reference)


def test_a_materialization_shows_all_old_or_all_new_values_and_a_rerun_finishes_it(tmp_path):
    tables = [
        arrow.table({"entity": [file, file + 1], "event": arrow.array([file, file], INSTANT), "x": [file, file + 50]})
        for file in range(3)
    ]
    reference = GrowingTable(tmp_path / "files")(*tables)
    place = tmp_path / "place"
    place.mkdir()
    (place / "reference.json").write_bytes(reference.to_json())
    materialize(place / "online.db", VIEW, reference)
    old = [0, 1, 2, 52]
    seen = []

    def check():
        with OnlineStore(place / "online.db") as online:
            seen.append(online.get_online(["v"], {"entity": [0, 1, 2, 3]}, at=AT)["f"])
        assert seen[-1] in (old, [value + 100 for value in old])
        fill(place)
        with OnlineStore(place / "online.db") as online:
            assert online.get_online(["v"], {"entity": [0, 1, 2, 3]}, at=AT)["f"] == [value + 100 for value in old]

    assert commits_of(fill, place, check=check) >= 3
    assert old in seen
