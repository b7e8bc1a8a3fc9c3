"""Batch predictions on real tables: each answer once, whatever is killed, full, changed or asked at the same time."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from tidewheel.core.errors import (
    ConflictError,
    NotFoundError,
    ParameterError,
    SchemaMismatchError,
    StorageError,
)
from tidewheel.pipeline import FeatureView
from tidewheel.workspace import batch_prediction
from tidewheel.workspace.champions import registry
from toy_project import ToyWorkspace, write_project

ROWS, CHUNK = 1000, 300
pytestmark = pytest.mark.timeout(300)


def asked(rows=ROWS, seed=5) -> pa.Table:
    x = np.random.default_rng(seed).normal(size=rows)
    return pa.table({"id": np.arange(rows), "x": x, "label": np.zeros(rows), "kind": ["a", "b"] * (rows // 2)})


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    """A champion, and rows to ask it about."""
    toy = ToyWorkspace(write_project(tmp_path_factory.mktemp("toy") / "project"))
    toy.train_first()
    toy.stores.tables.create("asked", asked())
    yield toy
    toy.close()


@pytest.fixture
def tables(toy):
    return toy.stores.tables


def predict(toy, to, table="asked", **options):
    return toy.workspace.predict_table("toy", table, to=to, **{"chunk_rows": CHUNK} | options)


def expect_answers(toy, to, table="asked", times=1) -> None:
    """Each row of the table has the model's own answer, in the table's order."""
    rows = toy.workspace.table(table).to_arrow()
    answers = toy.workspace.table(to).to_arrow()
    package = toy.stores.artifacts.load(toy.workspace.champion("toy").package)
    expected = package.open().predict({"x": rows["x"].to_numpy()})["probability"]
    assert answers["id"].to_pylist() == rows["id"].to_pylist() * times
    assert answers["probability"].to_pylist() == expected.tolist() * times


def branches(tables, to):
    return [branch.chunks for branch, _ in tables.batches.list(to)] if tables.exists(to) else []


def test_every_row_is_answered_once_and_in_order(toy, tables):
    told = []
    result = predict(toy, "answers", tell=told.append)
    assert [one.rows for one in told] == [0, 300, 600, 900, 1000]
    expect_answers(toy, "answers")
    assert toy.workspace.table("answers").to_arrow().schema.names == ["id", "kind", "label", "probability"]
    assert (result.rows, result.is_new, result.resumed_rows, result.left_out) == (ROWS, True, 0, ("label",))
    assert [one.row_count for one in tables.snapshots("answers")] == [0, ROWS]
    assert branches(tables, "answers") == []
    again = predict(toy, "answers")
    assert (again.is_new, again.snapshot, again.run_id) == (False, result.snapshot, result.run_id)
    (execution,) = toy.workspace.run(result.run_id).executions
    assert execution.record.inputs["package"] == toy.workspace.champion("toy").package
    assert execution.record.inputs["rows"].digest == tables.snapshot("asked").digest
    assert execution.record.outputs["snapshot"].digest == result.snapshot.digest
    assert [one for one in toy.stores.pins.list("asked") if one.run_id == result.run_id] == []


def test_other_chunks_and_kept_columns_give_the_same_answers(toy):
    predict(toy, "whole", chunk_rows=None, keep=["id"])
    expect_answers(toy, "whole")
    assert toy.workspace.table("whole").to_arrow().schema.names == ["id", "label", "probability"]


def test_an_earlier_snapshot_and_a_version_can_be_named(toy, tables):
    first = tables.create("growing", asked(10))
    tables.append("growing", asked(20))
    result = predict(toy, "of_first", "growing", snapshot=first.snapshot_id, version=1)
    assert (result.rows, result.input) == (10, first)


BAD = {
    "missing": (asked(10).drop_columns(["x"]), SchemaMismatchError, "column 'x' is missing"),
    "retyped": (asked(10).set_column(1, "x", pa.array(["1"] * 10)), SchemaMismatchError, "'x' is string, the model"),
    "empty": (asked(10).schema, ParameterError, "no rows to predict"),
}


@pytest.mark.parametrize("kind", BAD)
def test_what_cannot_be_answered_is_told_before_anything_is_made(toy, tables, kind):
    data, error, told = BAD[kind]
    tables.create(f"bad_{kind}", data)
    runs = len(toy.stores.runs.list(limit=1000, with_operations=True))
    with pytest.raises(error, match=told):
        predict(toy, f"from_{kind}", f"bad_{kind}")
    assert not tables.exists(f"from_{kind}")
    assert len(toy.stores.runs.list(limit=1000, with_operations=True)) == runs


def test_a_value_that_does_not_fit_is_named_and_nothing_is_published(toy, tables):
    rows = asked().set_column(1, "x", pa.array([*[0.5] * 700, None, *[0.5] * 299]))
    tables.create("with_null", rows)
    with pytest.raises(SchemaMismatchError, match="'x' takes float, but row 700 has null"):
        predict(toy, "never", "with_null")
    assert tables.info("never").row_count == 0
    assert toy.workspace.runs(pipeline="predict")[0].status == "failed"


@pytest.mark.parametrize(
    ("table", "to", "options", "error", "told"),
    [
        ("asked", "asked", {}, ParameterError, "replaced by its own predictions"),
        ("asked", "points", {}, ConflictError, "holds rows that no batch prediction wrote"),
        ("askt", "answers", {}, NotFoundError, "did you mean 'asked'"),
        ("asked", "kept", {"keep": ["idd"]}, SchemaMismatchError, "'idd' does not exist"),
        ("asked", "kept", {"keep": ["label"]}, SchemaMismatchError, "'label' has the name of an answer"),
        ("asked", "other", {"version": 9}, NotFoundError, "known: 1"),
        ("asked", "other", {"snapshot": 9}, NotFoundError, "snapshot '9'"),
    ],
)
def test_what_was_asked_wrongly_is_refused(toy, tables, table, to, options, error, told):
    before = tables.info("points").snapshot_id
    with pytest.raises(error, match=told):
        predict(toy, to, table, **options)
    assert tables.info("points").snapshot_id == before


def test_of_two_jobs_for_one_table_the_second_to_publish_is_told_and_loses_no_work(toy, tables):
    def interfere(progress):
        if progress.rows == 600:
            predict(toy, "shared", keep=["id"])

    with pytest.raises(ConflictError, match="another writer has changed table 'shared'"):
        predict(toy, "shared", tell=interfere)
    assert "kind" not in [
        name for name, one in toy.workspace.table("shared").to_arrow().to_pydict().items() if any(one)
    ]
    assert branches(tables, "shared") == [4]
    again = predict(toy, "shared")
    assert (again.resumed_rows, again.is_new) == (ROWS, True)
    expect_answers(toy, "shared")
    assert branches(tables, "shared") == []
    back = predict(toy, "shared", keep=["id"])  # it had been published, but is not what is there
    assert (back.is_new, back.resumed_rows) == (True, 0)


def test_the_same_job_is_carried_out_by_one_process_at_a_time(toy):
    refused = []

    def ask_again(progress):
        if progress.rows == 300:
            with pytest.raises(ConflictError, match="another process carries out this job"):
                predict(toy, "alone")
            refused.append(True)

    predict(toy, "alone", tell=ask_again)
    assert refused
    expect_answers(toy, "alone")


def test_appended_answers_of_several_jobs_all_land_and_each_once(toy, tables):
    tables.create("more", asked())

    def interfere(progress):
        if progress.rows == 600:
            predict(toy, "grown", "more", appends=True)

    first = predict(toy, "grown", appends=True, tell=interfere)
    expect_answers(toy, "grown", times=2)
    for table in ("asked", "more"):
        assert not predict(toy, "grown", table, appends=True).is_new
    assert first.snapshot.row_count == 2 * ROWS


def test_what_a_job_keeps_outlives_the_care_of_the_table(toy, tables):
    def stop(progress):
        if progress.rows == 900:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        predict(toy, "cared", tell=stop)
    assert branches(tables, "cared") == [3]
    tables.maintenance.expire("cared", older_than=batch_prediction.utc_now(), keep_snapshots=1, keep=lambda: ())
    toy.workspace.maintain("cared")
    assert branches(tables, "cared") == [3]
    assert predict(toy, "cared").resumed_rows == 900
    expect_answers(toy, "cared")


def test_what_nobody_goes_on_with_is_taken_away_after_long(toy, tables, monkeypatch):
    def stop(progress):
        if progress.rows == 300:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        predict(toy, "left", keep=["id"], tell=stop)
    predict(toy, "left")
    assert branches(tables, "left") == [1]
    monkeypatch.setattr(batch_prediction, "FORGOTTEN_S", -1.0)
    predict(toy, "left", keep=["kind"])
    assert branches(tables, "left") == []


def test_a_table_whose_columns_have_changed_is_read_as_iceberg_says(toy, tables):
    tables.create("evolving", asked(ROWS).drop_columns(["kind"]))
    tables.append("evolving", asked(ROWS, seed=6).drop_columns(["kind"]))
    tables.evolve("evolving", pa.schema({"note": pa.string()}))
    assert not toy.workspace.table("evolving").reference.is_direct

    def stop(progress):
        if progress.rows == 900:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        predict(toy, "of_evolving", "evolving", tell=stop)
    assert predict(toy, "of_evolving", "evolving").resumed_rows == 900
    expect_answers(toy, "of_evolving", "evolving")


def test_a_full_disk_is_told_and_the_same_call_goes_on_after_room_was_made(toy, tables):
    """A limit on the size of a file fails in the same place as a full disk, and needs no mount."""
    rows = 600_000
    random = np.random.default_rng(1)
    tables.create("large", pa.table({"id": np.arange(rows), "x": random.normal(size=rows)}))
    options = {"chunk_rows": 300_000, "keep": ["id", "x"]}
    old, ignored = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    def fill(progress):
        if progress.rows == 300_000:
            resource.setrlimit(resource.RLIMIT_FSIZE, (4_500_000, old[1]))

    try:
        with pytest.raises(StorageError, match="writing chunk 1 for table 'of_large'"):
            predict(toy, "of_large", "large", tell=fill, **options)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
        signal.signal(signal.SIGXFSZ, ignored)
    assert tables.info("of_large").row_count == 0
    assert predict(toy, "of_large", "large", **options).resumed_rows == 300_000
    expect_answers(toy, "of_large", "large")


def test_features_are_joined_as_of_the_time_of_each_row(toy, tables):
    champion = toy.workspace.champion("toy")
    view = FeatureView("levels", table="levels", keys=["place"], event_time="known_from", ttl=None, features=["x"])
    registry(toy.stores).register(
        "viewed",
        champion.package,
        run=toy.stores.runs.get(champion.run_id),
        metrics={},
        parameters={},
        snapshots=(),
        verdict_digest="",
        state="approved",
        reason="",
        at=champion.at,
        features=(view.definition.meaning(),),
    )
    start = datetime(2013, 1, 1, tzinfo=UTC)
    random = np.random.default_rng(3)
    hours, places = np.sort(random.integers(0, 500, 200)), random.choice(["a", "b"], 200)
    levels = random.normal(size=200)
    times = [start + timedelta(hours=int(hour)) for hour in hours]
    tables.create("levels", pa.table({"place": places, "known_from": times, "x": levels}))
    asked_hours, asked_places = random.integers(450, 900, ROWS), random.choice(["a", "b"], ROWS)
    asked_at = [start + timedelta(hours=int(hour)) for hour in asked_hours]
    tables.create("questions", pa.table({"id": np.arange(ROWS), "place": asked_places, "event_time": asked_at}))
    result = toy.workspace.predict_table("viewed", "questions", to="looked_up", version=1, chunk_rows=CHUNK)
    last = [
        levels[np.flatnonzero((places == place) & (hours <= hour))[-1]]
        for place, hour in zip(asked_places, asked_hours, strict=True)
    ]
    expected = toy.stores.artifacts.load(champion.package).open().predict({"x": np.array(last)})["probability"]
    answers = toy.workspace.table("looked_up").to_arrow()
    assert answers.schema.names == ["id", "place", "event_time", "label", "probability"]
    assert answers["probability"].to_pylist() == expected.tolist()
    (execution,) = toy.workspace.run(result.run_id).executions
    assert execution.record.inputs["table.levels"].digest == tables.snapshot("levels").digest
    tables.create("timeless", pa.table({"place": ["a"], "then": [start + timedelta(hours=900)]}))
    with pytest.raises(SchemaMismatchError, match=r"no column 'event_time'(.|\n)*--event-time"):
        toy.workspace.predict_table("viewed", "timeless", to="never_made", version=1)
    named = toy.workspace.predict_table("viewed", "timeless", to="at_then", version=1, event_time="then")
    assert (named.rows, tables.exists("never_made")) == (1, False)


def test_why_walks_from_the_rows_to_the_model_and_its_cause(toy, tables):
    result = predict(toy, "explained")
    chain = toy.workspace.why("explained")
    assert chain.is_whole
    assert (chain.table, chain.model, chain.version) == (f"explained@{result.snapshot.snapshot_id}", "toy", 1)
    nouns = [(link.noun, link.depth) for link in chain.links]
    assert nouns[:4] == [("snapshot", 0), ("run", 0), ("package", 1), ("snapshot", 1)]
    assert ("promotion", 0) in nouns
    assert chain.links[1].ref == result.run_id
    assert chain.links[3].ref == f"asked@{tables.snapshot('asked').snapshot_id}"
    assert toy.workspace.why(chain.table).links == chain.links
    assert toy.workspace.why("points").table == f"points@{tables.snapshot('points').snapshot_id}"
    with pytest.raises(NotFoundError, match="did you mean 'explained'"):
        toy.workspace.why("explaind")


DYING = """
import os, signal, sys
from tidewheel.metadata_store import ExecutionStore, RunStore
from tidewheel.table_store import pyiceberg_batches, pyiceberg_tables
import tidewheel

at, count = sys.argv[2], 0

def die_before(name, act):
    def call(*arguments, **options):
        global count
        count += 1
        if f"before {count}" == at:
            os.kill(os.getpid(), signal.SIGKILL)
        done = act(*arguments, **options)
        if f"after {count}" == at:
            os.kill(os.getpid(), signal.SIGKILL)
        return done
    return call

for owner, name in ((pyiceberg_batches, "commit"), (pyiceberg_batches, "write_files"),
                    (pyiceberg_tables.PyIcebergTableStore, "create"), (ExecutionStore, "update"),
                    (RunStore, "complete")):
    setattr(owner, name, die_before(name, getattr(owner, name)))
tidewheel.open(sys.argv[1]).predict_table("toy", "asked", to=sys.argv[3], chunk_rows=400)
print("steps", count)
"""


def run_dying(toy, at, to):
    command = [sys.executable, "-c", DYING, str(toy.folder), at, to]
    return subprocess.run(command, cwd=toy.folder, capture_output=True, text=True, timeout=200)


def expect_completed(toy, at, to) -> None:
    """After the kill nobody sees a part; the same call completes it, and another one finds it done."""
    tables = toy.stores.tables
    seen = tables.info(to).row_count if tables.exists(to) else 0
    assert seen in (0, ROWS), at
    predict(toy, to, chunk_rows=400)
    expect_answers(toy, to)
    assert [one.row_count for one in tables.snapshots(to)] == [0, ROWS], at
    assert branches(tables, to) == [], at
    assert not predict(toy, to, chunk_rows=400).is_new
    assert toy.workspace.why(to).is_whole, at


def test_a_job_that_is_killed_between_two_chunks_is_completed_and_nothing_is_there_twice(toy):
    killed = run_dying(toy, "after 5", "killed")  # the table, then a file and a commit for each of two chunks
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert branches(toy.stores.tables, "killed") == [2]
    expect_completed(toy, "after 5", "killed")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_job_that_is_killed_at_any_step_is_completed_and_nothing_is_there_twice(toy):
    whole = run_dying(toy, "never", "undisturbed")
    assert whole.returncode == 0, whole.stderr
    steps = int(whole.stdout.split()[-1])
    assert steps >= 10
    for at in [f"{side} {step}" for step in range(1, steps + 1) for side in ("before", "after")]:
        to = at.replace(" ", "_")
        killed = run_dying(toy, at, to)
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        expect_completed(toy, at, to)
