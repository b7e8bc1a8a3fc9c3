from __future__ import annotations

from datetime import timedelta

import pytest

from tidewheel.core.errors import ConflictError, NotFoundError
from tidewheel.metadata_store import ClockStore, EventStore, LeaseStore, SignalStore


@pytest.fixture
def events(database):
    return EventStore(database)


def test_an_event_with_a_known_key_is_the_known_event(events, facts):
    first = facts.event(key="k")
    assert events.create(first) == (first, True)
    assert events.create(facts.event(key="k", subject="other")) == (first, False)
    assert events.list() == [first]
    assert events.find_by_key("k") == first
    assert events.find_by_key("x") is None


def test_an_event_id_with_another_key_conflicts(events, facts):
    first, _ = events.create(facts.event())
    with pytest.raises(ConflictError):
        events.create(facts.event(id=first.id))


def test_an_event_starts_at_most_one_run(events, facts):
    event, _ = events.create(facts.event())
    assert events.run_of(event.id) == ""
    events.attach_run(event.id, "run1")
    events.attach_run(event.id, "run1")
    with pytest.raises(ConflictError, match="run1"):
        events.attach_run(event.id, "run2")
    assert events.run_of(event.id) == "run1"


def test_attaching_to_an_unknown_event_is_an_error(events):
    with pytest.raises(NotFoundError):
        events.attach_run("absent", "run")


def test_pending_events_wait_oldest_first(events, facts):
    waiting = [events.create(facts.event(id=f"event{number}"))[0] for number in range(3)]
    events.create(facts.event(), is_pending=False)
    assert events.pending() == waiting
    events.attach_run(waiting[0].id, "run")
    events.close(waiting[1].id, "the champion is still good")
    assert events.pending() == [waiting[2]]
    assert events.outcome_of(waiting[1].id) == "the champion is still good"


def test_a_closed_event_starts_no_run_and_a_started_one_is_not_closed(events, facts):
    closed, _ = events.create(facts.event())
    events.close(closed.id, "no")
    with pytest.raises(ConflictError, match="closed: no"):
        events.attach_run(closed.id, "run")
    started, _ = events.create(facts.event())
    events.attach_run(started.id, "run")
    with pytest.raises(ConflictError):
        events.close(started.id, "late")


def test_events_are_listed_by_subject_newest_first(events, facts):
    made = [events.create(facts.event(id=f"event{n}", subject="ab"[n % 2]))[0] for n in range(6)]
    assert events.list(subject="a") == [made[4], made[2], made[0]]
    assert events.list(limit=2) == [made[5], made[4]]
    assert events.get("event3") == made[3]


def test_a_signal_with_a_known_key_is_the_known_signal(database, facts):
    signals = SignalStore(database)
    first = facts.signal(key="auc/1/april", id="signal1")
    assert signals.create(first) == (first, True)
    assert signals.create(facts.signal(key="auc/1/april")) == (first, False)
    other, _ = signals.create(facts.signal(id="signal2", model="other"))
    assert signals.list() == [other, first]
    assert signals.list(model="flight-delay") == [first]
    assert signals.get("signal1") == first
    assert signals.find_by_key("auc/1/april") == first
    with pytest.raises(ConflictError):
        signals.create(facts.signal(id="signal1"))


def test_the_clock_moves_forward_only(database, facts):
    clock = ClockStore(database)
    assert clock.get() is None
    assert not clock.is_virtual
    clock.set(facts.at)
    clock.set(facts.at)
    clock.set(facts.at + timedelta(microseconds=1))
    with pytest.raises(ConflictError, match="cannot go back"):
        clock.set(facts.at)
    assert clock.get() == facts.at + timedelta(microseconds=1)
    assert clock.is_virtual


def test_a_lease_has_one_owner_until_it_is_released(database):
    leases = LeaseStore(database)
    assert leases.acquire("tick", "a", 60)
    assert leases.acquire("tick", "a", 60)
    assert not leases.acquire("tick", "b", 60)
    assert leases.acquire("other", "b", 60)
    assert leases.renew("tick", "a", 60)
    assert not leases.renew("tick", "b", 60)
    assert not leases.release("tick", "b")
    assert leases.release("tick", "a")
    assert leases.acquire("tick", "b", 60)
    assert not leases.renew("tick", "a", 60)


def test_a_lease_that_ended_is_taken_over(database):
    leases = LeaseStore(database)
    assert leases.acquire("tick", "a", 0)
    assert not leases.renew("tick", "a", 60)
    assert leases.acquire("tick", "b", 60)
    assert not leases.release("tick", "a")
