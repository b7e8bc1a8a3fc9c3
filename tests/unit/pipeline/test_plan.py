from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from example_steps import chain, difference, outer, training, wide
from tidewheel.pipeline import Plan, pipeline
from tidewheel.pipeline.rendering import to_mermaid

PLANS = {
    "chain": chain,
    "training": training,
    "outer": outer,
    "wide": wide,
    "difference": difference,
}

PROGRAM = """
import example_steps
for name in ("chain", "training", "outer", "wide", "difference"):
    print(getattr(example_steps, name)().digest)
"""


@pytest.mark.parametrize("name", PLANS)
def test_a_plan_survives_json_with_its_digest(name):
    plan = PLANS[name]()
    read = Plan.from_json(plan.to_json())
    assert read == plan
    assert read.digest == plan.digest
    assert read.to_text() == plan.to_text()
    assert read.to_mermaid() == plan.to_mermaid()
    assert read.to_json() == plan.to_json()


@pytest.mark.parametrize("name", PLANS)
def test_nodes_come_after_what_they_need(name):
    seen = set()
    for node in PLANS[name]().nodes:
        assert PLANS[name]().dependencies(node.id) <= seen
        seen.add(node.id)


def test_processes_with_different_hash_seeds_draw_one_plan():
    told = [
        subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(__file__).parents[2])},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        for seed in ("1", "2")
    ]
    assert told[0] == told[1] == [plan().digest for plan in PLANS.values()]


def test_the_digest_tells_parameters_apart():
    digests = {chain().digest, chain(start=2).digest, chain(times=3).digest, wide().digest, wide(branches=4).digest}
    assert len(digests) == 5
    assert chain(start="1").digest == chain().digest


def test_text_tells_what_goes_where():
    text = training(share=0.5).to_text()
    assert text.startswith("training(share=0.5)  ")
    for line in (
        "  flights  [table]",
        "  split  [example_steps:split]",
        "      rows <- flights.output",
        "      share = 0.5",
        "      -> train: ",
        "  returns test: count-2.output",
    ):
        assert line in text


def test_mermaid_has_a_node_for_each_call_and_an_arrow_for_each_need():
    plan = wide(branches=4)
    lines = plan.to_mermaid().splitlines()
    assert lines[0] == "flowchart LR"
    arrows = [line for line in lines if "-->" in line]
    assert len(lines) == 1 + len(plan.nodes) + len(arrows)
    assert len(arrows) == sum(len(plan.dependencies(node.id)) for node in plan.nodes)
    known = set(re.findall(r"^    (n\d+)[\[{(]", plan.to_mermaid(), flags=re.M))
    assert {key for line in arrows for key in re.findall(r"\bn\d+\b", line)} <= known


def test_mermaid_shows_kinds_by_shape():
    text = to_mermaid(training())
    assert '[("flights")]' in text
    assert '[/"sql"/]' in text
    assert '{{"champion-delay"}}' in text


def test_an_empty_plan_can_be_shown():
    empty = pipeline(lambda: None, name="empty")()
    assert empty.to_text().startswith("empty()")
    assert empty.to_mermaid() == "flowchart LR"
