"""Which nodes may start: held against a plain reading of the graph."""

from __future__ import annotations

import random
import time

from hypothesis import given
from hypothesis import strategies as st

from tidewheel.orchestrator.schedule import Schedule
from tidewheel.pipeline import Plan
from tidewheel.pipeline.plan import InputSpec, PlanNode


def plan_of(needs: dict[str, list[str]]) -> Plan:
    """A plan whose nodes need the named others."""
    nodes = tuple(
        PlanNode(
            id=name,
            kind="step",
            step=f"m:{name}",
            inputs={f"a{index}": InputSpec(node=needed, output="output") for index, needed in enumerate(others)},
            outputs=(),
        )
        for name, others in needs.items()
    )
    return Plan(pipeline="p", address="m:p", nodes=nodes, parameters={}, outputs={})


@st.composite
def graphs(draw):
    size = draw(st.integers(1, 12))
    return {
        f"n{index}": sorted(draw(st.sets(st.sampled_from([f"n{one}" for one in range(index)]))) if index else [])
        for index in range(size)
    }


def descendants(needs, name):
    found = {name}
    for other, others in needs.items():  # in topological order
        if found & set(others):
            found.add(other)
    return found - {name}


DIAMOND = {"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c"]}


def test_a_diamond_runs_its_two_sides_at_once_and_its_end_when_both_are_done():
    schedule = Schedule(plan_of(DIAMOND))
    assert list(schedule.take()) == ["a"]
    schedule.succeed("a")
    assert list(schedule.take()) == ["b", "c"]
    schedule.succeed("c")
    assert list(schedule.take()) == []
    schedule.succeed("b")
    assert list(schedule.take()) == ["d"]
    assert not schedule.is_finished
    schedule.succeed("d")
    assert schedule.is_finished


def test_an_output_that_is_used_twice_is_waited_for_once():
    schedule = Schedule(plan_of({"a": [], "b": ["a", "a"]}))
    list(schedule.take())
    schedule.succeed("a")
    assert list(schedule.take()) == ["b"]


def test_what_fails_closes_its_dependents_each_told_once_and_nothing_else():
    schedule = Schedule(plan_of({**DIAMOND, "e": [], "f": ["e"]}))
    assert list(schedule.take()) == ["a", "e"]
    assert schedule.fail("a") == ["b", "c", "d"]
    schedule.succeed("e")
    assert list(schedule.take()) == ["f"]
    schedule.succeed("f")
    assert schedule.is_finished


def test_a_node_behind_two_failures_is_skipped_once():
    schedule = Schedule(plan_of({"a": [], "b": [], "c": ["a", "b"]}))
    list(schedule.take())
    assert schedule.fail("a") == ["c"]
    assert schedule.fail("b") == []
    assert schedule.is_finished


def test_abandoning_closes_what_has_not_ended_and_hands_out_nothing_more():
    schedule = Schedule(plan_of(DIAMOND))
    list(schedule.take())
    schedule.succeed("a")
    assert schedule.abandon() == ["b", "c", "d"]
    assert list(schedule.take()) == []
    assert schedule.is_finished


def test_a_plan_without_nodes_is_finished():
    assert Schedule(plan_of({})).is_finished


@given(graphs(), st.randoms(use_true_random=False))
def test_each_node_is_handed_out_as_soon_as_all_it_needs_is_done_and_never_before(needs, chance: random.Random):
    schedule, running, done, broken = Schedule(plan_of(needs)), set(), set(), set()
    while not schedule.is_finished:
        taken = set(schedule.take())
        assert not taken & (running | done | broken)
        running |= taken
        startable = {name for name, others in needs.items() if done.issuperset(others)} - done - broken
        assert running == startable
        name = chance.choice(sorted(running))
        running.discard(name)
        if chance.random() < 0.2:
            expected = descendants(needs, name) - broken
            assert set(schedule.fail(name)) == expected
            broken |= {name, *expected}
        else:
            schedule.succeed(name)
            done.add(name)
    assert done | broken == set(needs)


def test_a_thousand_nodes_are_scheduled_in_time_linear_to_their_number():
    def seconds(size: int) -> float:
        plan = plan_of({f"n{index}": [f"n{index - 1}"] if index else [] for index in range(size)})
        start = time.process_time()
        schedule = Schedule(plan)
        while not schedule.is_finished:
            for name in list(schedule.take()):
                schedule.succeed(name)
        return time.process_time() - start

    small, large = min(seconds(500) for _ in range(3)), min(seconds(4000) for _ in range(3))
    assert large < 8 * small * 3
