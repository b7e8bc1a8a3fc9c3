"""kill -9 at any moment of a materialization, and several at once: readers see all old values or all new ones."""

from __future__ import annotations

import os
import random
import sqlite3
import subprocess
import sys
import time
from contextlib import ExitStack, closing
from datetime import UTC, datetime

import pyarrow as pa
import pytest

from feature_tables import GrowingTable
from tidewheel.feature_store import OnlineStore, materialize
from tidewheel.pipeline import FeatureView

INSTANT = pa.timestamp("us", tz="UTC")
ENTITIES, FILES = 3_000, 6
CHILD = """
import sys
from pathlib import Path
from tidewheel.feature_store import materialize
from tidewheel.pipeline.feature_view import ViewDefinition
from tidewheel.table_store import TableReference
print("begins", flush=True)
store, view, reference = map(Path, sys.argv[1:])
materialize(store, ViewDefinition.from_json(view.read_bytes()), TableReference.from_json(reference.read_bytes()))
"""
KILLS, SEED = 8, 20260308
AT = datetime(2026, 1, 1, tzinfo=UTC)


def view(expression: str):
    return FeatureView("v", "values", ["entity"], "event", None, {"f": expression}, created_time="event").definition


@pytest.fixture
def reference(tmp_path):
    tables = [
        pa.table(
            {
                "entity": [f"e{(number * 7 + file) % ENTITIES}" for number in range(ENTITIES)],
                "event": pa.array([(number * 13 + file * 5) % 97 for number in range(ENTITIES)], INSTANT),
                "x": [number + file * ENTITIES for number in range(ENTITIES)],
            }
        )
        for file in range(FILES)
    ]
    return GrowingTable(tmp_path / "files")(*tables)


@pytest.fixture
def start(tmp_path, reference):
    def begin(store, definition):
        (tmp_path / "view.json").write_bytes(definition.to_json())
        (tmp_path / "reference.json").write_bytes(reference.to_json())
        arguments = [str(path) for path in (store, tmp_path / "view.json", tmp_path / "reference.json")]
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        return subprocess.Popen([sys.executable, "-c", CHILD, *arguments], stdout=subprocess.PIPE, env=environment)

    return begin


def values(store):
    with OnlineStore(store) as online:
        return online.get_online(["v"], {"entity": [f"e{number}" for number in range(ENTITIES)]}, at=AT)


def rows(store):
    with closing(sqlite3.connect(store)) as connection:
        return connection.execute("select key, event, created, place, data from value order by key").fetchall()


def test_killed_at_any_moment_a_rerun_finishes_and_readers_never_see_a_half(tmp_path, reference, start):
    old, new = view("x"), view("x * 2 + 1")
    store, clean = tmp_path / "online.db", tmp_path / "clean.db"
    materialize(store, old, reference)
    before = values(store)
    started = time.monotonic()
    materialize(clean, new, reference)
    after, duration_s = values(clean), time.monotonic() - started
    assert None not in after["f"]
    assert before != after
    generator = random.Random(SEED)
    killed = 0
    for _ in range(KILLS):
        with start(store, new) as child:
            assert child.stdout.readline() == b"begins\n"
            try:
                child.wait(timeout=generator.uniform(0, duration_s))
            except subprocess.TimeoutExpired:
                child.kill()
                killed += child.wait() < 0
        assert values(store) in (before, after)
    assert killed
    with start(store, new) as last:
        assert last.wait(timeout=200) == 0
    assert values(store) == after
    assert rows(store) == rows(clean)


def test_several_processes_at_once_give_what_one_gives(tmp_path, reference, start):
    store, clean = tmp_path / "online.db", tmp_path / "clean.db"
    materialize(clean, view("x"), reference)
    with ExitStack() as stack:
        children = [stack.enter_context(start(store, view("x"))) for _ in range(3)]
        assert [child.wait(timeout=200) for child in children] == [0, 0, 0]
    assert rows(store) == rows(clean)
