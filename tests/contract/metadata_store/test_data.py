from __future__ import annotations

from datetime import timedelta

import pytest

from tidewheel.core.errors import ConflictError, NotFoundError
from tidewheel.core.records import Runtime, SourceState
from tidewheel.metadata_store import (
    ClosureMissStore,
    Ingest,
    IngestStore,
    Pin,
    PinStore,
    PlanStore,
    Projection,
    ProjectionStore,
    RuntimeStore,
    Segment,
    SegmentStore,
    SnapshotStore,
    SourceStore,
)


def test_a_plan_is_found_by_key_and_by_digest(database):
    plans = PlanStore(database)
    stored = plans.put("key1", "digest1", b'{"nodes":[]}', b"\x00\xff")
    assert plans.find("key1") == stored
    assert plans.get("digest1") == b'{"nodes":[]}'
    assert plans.find("key2") is None
    assert plans.find_by_digest("digest2") is None
    with pytest.raises(NotFoundError):
        plans.get("digest2")


def test_a_key_leads_to_the_plan_that_was_put_last(database):
    plans = PlanStore(database)
    plans.put("key", "digest1", b"1")
    plans.put("key", "digest2", b"2", b"extra")
    assert plans.find("key").digest == "digest2"
    assert plans.get("digest1") == b"1"


def test_missed_modules_are_remembered_once(database):
    misses = ClosureMissStore(database)
    misses.add_misses("steps:train", ["b", "a", "b"])
    misses.add_misses("steps:train", ["a", "c"])
    misses.add_misses("steps:other", [])
    assert misses.misses_of("steps:train") == ("a", "b", "c")
    assert misses.misses_of("steps:other") == ()
    assert misses.all() == {"steps:train": ("a", "b", "c")}


def test_sources_and_runtimes_are_found_by_digest(database):
    sources, runtimes = SourceStore(database), RuntimeStore(database)
    state = SourceState(digest="s", files={"ü.py": "x"}, commit="c", is_dirty=True, changed=("ü.py",), warnings=("w",))
    runtime = Runtime(python="cpython 3.11.7", platform="linux", distributions={"numpy": "2.4"}, digest="r")
    for _ in range(2):
        sources.put(state)
        runtimes.put(runtime)
    assert sources.get("s") == state
    assert runtimes.get("r") == runtime
    assert sources.find("x") is None
    assert runtimes.find("x") is None
    with pytest.raises(NotFoundError):
        sources.get("x")
    with pytest.raises(NotFoundError):
        runtimes.get("x")


def test_the_same_content_is_ingested_once(database, facts):
    ingests = IngestStore(database)
    fields = {"table": "flights", "content_digest": "c", "snapshot_id": 2**62, "run_id": "r1", "row_count": 3}
    first = Ingest(file="a.csv", recorded_at=facts.at, **fields)
    assert ingests.put(first) == (first, True)
    assert ingests.put(Ingest(file="b.csv", recorded_at=facts.at, **fields)) == (first, False)
    other = Ingest(file="a.csv", recorded_at=facts.at + timedelta(1), **fields | {"table": "weather", "run_id": "r2"})
    ingests.put(other)
    assert ingests.find("flights", "c") == first
    assert ingests.find("flights", "d") is None
    assert ingests.list() == [first, other]
    assert ingests.list("weather") == [other]
    assert ingests.list(run_id="r1") == [first]


def test_pins_are_renewed_and_released_by_run(database, facts):
    pins = PinStore(database)
    soon, late = facts.at + timedelta(hours=1), facts.at + timedelta(days=30)
    held = [Pin(table="flights", snapshot_id=2**62 + n, run_id="r1", expires_at=soon) for n in range(2)]
    pins.put(*held, Pin(table="weather", snapshot_id=1, run_id="r2", expires_at=soon))
    pins.put(held[0])
    assert pins.list("flights") == held
    assert pins.renew("r1", late) == 2
    assert {pin.run_id for pin in pins.list(valid_at=soon)} == {"r1"}
    assert pins.release("r1") == 2
    assert [pin.table for pin in pins.list()] == ["weather"]
    assert pins.release("r1") == 0


def test_an_address_holds_one_content(database, facts):
    snapshots = SnapshotStore(database)
    first = facts.snapshot(snapshot_id=2**62)
    later = facts.snapshot(snapshot_id=7, committed_at=facts.at + timedelta(1))
    for snapshot in (later, first, first):
        snapshots.put(snapshot)
    with pytest.raises(ConflictError, match="another content"):
        snapshots.put(facts.snapshot(snapshot_id=7, digest="e" * 64))
    assert snapshots.get("flights", 7) == later
    assert snapshots.list("flights") == [first, later]
    assert snapshots.find_by_digest("d" * 64) == [first, later]
    with pytest.raises(NotFoundError):
        snapshots.get("flights", 8)


def test_a_segment_is_moved_once(database, facts):
    segments = SegmentStore(database)
    first = Segment(id="seg1", snapshot_id=5, row_count=10, recorded_at=facts.at)
    assert segments.put(first) == (first, True)
    assert segments.put(Segment(id="seg1", snapshot_id=6, row_count=10, recorded_at=facts.at)) == (first, False)
    assert segments.find("seg1") == first
    assert segments.find("seg2") is None
    assert segments.list() == [first]


def test_a_projection_says_what_was_written_last(database):
    projections = ProjectionStore(database)
    projections.put(Projection(kind="run", key="r1", digest="a", external_id="x"))
    newest = Projection(kind="run", key="r1", digest="b", external_id="x")
    alias = Projection(kind="alias", key="m@champion", digest="c")
    projections.put(newest)
    projections.put(alias)
    assert projections.find("run", "r1") == newest
    assert projections.find("run", "r2") is None
    assert projections.list() == [alias, newest]
    assert projections.list("run") == [newest]
