from __future__ import annotations

import time
from datetime import timedelta

import pytest

from tidewheel.core.errors import ConflictError, NotFoundError
from tidewheel.metadata_store import RunStore
from tidewheel.metadata_store.run import _row
from tidewheel.metadata_store.statements import insert


@pytest.fixture
def runs(database):
    return RunStore(database)


def test_a_run_is_read_back_as_it_was_written(runs, facts):
    run = runs.create(facts.run())
    assert runs.get(run.id) == run
    assert runs.find(run.id) == run
    assert runs.find("absent") is None


def test_completing_sets_status_reason_and_end(runs, facts):
    run = runs.create(facts.run())
    ended_at = facts.at + timedelta(seconds=90)
    ended = runs.complete(run.id, "stopped", "no new rows", ended_at)
    assert (ended.status, ended.reason, ended.ended_at) == ("stopped", "no new rows", ended_at)
    assert runs.get(run.id) == ended
    assert runs.running() == []


def test_completing_twice_alike_keeps_the_first_end(runs, facts):
    run = runs.create(facts.run())
    first = runs.complete(run.id, "succeeded", "", facts.at)
    assert runs.complete(run.id, "succeeded", "again", facts.at + timedelta(hours=1)) == first


def test_completing_with_another_status_conflicts_and_changes_nothing(runs, facts):
    run = runs.create(facts.run())
    first = runs.complete(run.id, "succeeded", "", facts.at)
    with pytest.raises(ConflictError, match="succeeded"):
        runs.complete(run.id, "failed", "late", facts.at)
    assert runs.get(run.id) == first


def test_a_second_run_with_the_same_id_conflicts(runs, facts):
    run = runs.create(facts.run())
    with pytest.raises(ConflictError):
        runs.create(facts.run(id=run.id, pipeline="other"))
    assert runs.get(run.id) == run


def test_a_unique_prefix_names_a_run(runs, facts):
    run = runs.create(facts.run(id="abcd1111"))
    other = runs.create(facts.run(id="abcd2222"))
    assert runs.get("abcd1") == run
    assert runs.get("abcd2222") == other


def test_an_ambiguous_prefix_names_the_candidates(runs, facts):
    runs.create(facts.run(id="abcd1111"))
    runs.create(facts.run(id="abcd2222"))
    with pytest.raises(NotFoundError, match="abcd1111, abcd2222"):
        runs.get("abcd")


def test_a_prefix_of_three_characters_is_refused(runs, facts):
    runs.create(facts.run(id="abcd1111"))
    with pytest.raises(NotFoundError, match="at least 4"):
        runs.get("abc")


def test_a_mistyped_id_is_answered_with_near_ones(runs, facts):
    runs.create(facts.run(id="abcd1111"))
    with pytest.raises(NotFoundError, match="did you mean 'abcd1111'"):
        runs.get("abdc1111")


@pytest.mark.parametrize("strange", ["ab%_", "a'; drop table run", "\x00\x00\x00\x00", "~~~~", "Ünïcødé"])
def test_strange_ids_are_simply_not_found(runs, facts, strange):
    runs.create(facts.run(id="abcd1111"))
    with pytest.raises(NotFoundError):
        runs.get(strange)


def test_runs_are_listed_newest_first_page_by_page(runs, facts):
    made = [runs.create(facts.run(id=f"run{number:05}")) for number in range(7)]
    first = runs.list(limit=3)
    second = runs.list(limit=3, before=first[-1].id)
    assert [*first, *second] == made[:0:-1]


def test_runs_are_listed_by_pipeline_and_status(runs, facts):
    a = runs.create(facts.run(id="run1", pipeline="a"))
    b = runs.create(facts.run(id="run2", pipeline="b"))
    runs.complete(b.id, "failed", "", facts.at)
    assert [run.id for run in runs.list(pipeline="a")] == [a.id]
    assert [run.id for run in runs.list(status="failed")] == [b.id]
    assert runs.list(pipeline="a", status="failed") == []
    assert runs.latest().id == b.id
    assert runs.latest(pipeline="a").id == a.id
    assert runs.latest(pipeline="c") is None
    assert [run.id for run in runs.running()] == [a.id]


def test_operations_can_be_left_out_of_the_list_and_then_do_not_count(runs, facts):
    pipelines = [runs.create(facts.run(id=f"a{number}", plan_digest="p")).id for number in range(3)]
    for number in range(500):
        runs.create(facts.run(id=f"b{number:03}", pipeline="ingest", plan_digest=""))
    assert [run.id for run in runs.list(limit=2, with_operations=False)] == pipelines[:0:-1]
    assert runs.latest(with_operations=False).id == pipelines[-1]
    assert runs.latest().id == "b499"


def test_runs_of_an_event_are_found(runs, facts):
    run = runs.create(facts.run(event_id="e1"))
    runs.create(facts.run(event_id="e2"))
    assert runs.of_event("e1") == [run]


def test_listing_among_100_000_runs_takes_milliseconds(runs, database, facts):
    template = _row(facts.run(pipeline="a", status="succeeded"))
    rows = [{**template, "id": f"{number:016}", "pipeline": "ab"[number % 2]} for number in range(100_000)]
    with database.write() as connection:
        insert(connection, "run", *rows)
    with database.read() as connection:
        scan = "SELECT count(*) FROM run WHERE record LIKE '%of nobody%'"
        scan_s = min(_time(lambda: connection.scalar(scan)) for _ in range(3))
    for query in (
        {},
        {"pipeline": "a"},
        {"status": "succeeded"},
        {"status": "running"},
        {"pipeline": "b", "before": f"{50_000:016}"},
    ):
        runs.list(**query)
        seconds = min(_time(lambda query=query: runs.list(**query)) for _ in range(15))
        assert seconds < max(0.015, scan_s / 4), query  # on an idle machine a scan takes 40 ms and more


def _time(call):
    started = time.perf_counter()
    call()
    return time.perf_counter() - started
