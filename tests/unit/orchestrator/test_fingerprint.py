"""What the key of an execution is made of: each part changes it, and nothing else does."""

from __future__ import annotations

import copy
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from run_record import run_record
from tidewheel.artifact_store import CodecTable
from tidewheel.core.records import Artifact, Runtime
from tidewheel.orchestrator import PreparedRun, StepCode, explain_difference
from tidewheel.orchestrator.binding import fingerprint_parts, seed_of
from tidewheel.orchestrator.fingerprint import fingerprint_of
from tidewheel.pipeline import Plan
from tidewheel.pipeline.plan import InputSpec, OutputSpec, PlanNode, StepOptions

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ROWS = Artifact(digest="a" * 64, codec="json/1", type_name="list", size_bytes=9)
RUNTIME = Runtime(digest="r", python="3.11.9", platform="linux", distributions={"numpy": "2.1.0"})
CODE = StepCode(version="v", parts={"m:train": "1", "m:help": "2"}, modules=("m",), runtime=RUNTIME)
NODE = PlanNode(
    id="train",
    kind="step",
    step="m:train",
    parameters={"rate": 0.1},
    inputs={"rows": InputSpec(node="make", output="output"), "names": InputSpec(items=(InputSpec(value="x"),))},
    outputs=(OutputSpec(name="output", annotation="int", type_names=("builtins.int",)),),
    options=StepOptions(files=("a.csv",), variables=("MODE",), seed=7, cpu=1, retries=1),
)
VARIABLES = {"MODE": "fast", "HOME": "/home/me"}


def prepared(code: StepCode = CODE, files: dict[str, str] | None = None) -> PreparedRun:
    return PreparedRun(
        run=run_record(id="1", pipeline="p", commit="c", branch="main", at=NOW, started_at=NOW),
        plan=Plan(pipeline="p", address="m:p", nodes=(NODE,), parameters={}, outputs={}),
        code={"m:train": code},
        resolved={},
        query_inputs={},
        sources=Path("/sources"),
        import_roots=(),
        file_digests={"a.csv": "f1", "b.csv": "f2"} if files is None else files,
    )


def key(node=NODE, run=None, rows=ROWS, variables=VARIABLES) -> str:
    return fingerprint_of(fingerprint_parts(node, run or prepared(), {"rows": rows}, CodecTable.default(), variables))


def with_code(**changes) -> PreparedRun:
    return prepared(msgspec.structs.replace(CODE, **changes))


def with_runtime(**changes) -> PreparedRun:
    return with_code(runtime=msgspec.structs.replace(RUNTIME, **changes))


def with_node(**changes) -> PlanNode:
    return msgspec.structs.replace(NODE, **changes)


def with_options(**changes) -> PlanNode:
    return with_node(options=msgspec.structs.replace(NODE.options, **changes))


CHANGES = {
    "code of a function": {"run": with_code(parts={"m:train": "1", "m:help": "3"})},
    "one more function": {"run": with_code(parts={**CODE.parts, "m:more": "4"})},
    "a module that was missed": {"run": with_code(missed={"m.plugin": "5"})},
    "a parameter": {"node": with_node(parameters={"rate": 0.2})},
    "a parameter's type": {"node": with_node(parameters={"rate": "0.1"})},
    "an input's content": {"rows": msgspec.structs.replace(ROWS, digest="b" * 64)},
    "a literal argument": {
        "node": with_node(inputs={**NODE.inputs, "names": InputSpec(items=(InputSpec(value="y"),))})
    },
    "a shorter list": {"node": with_node(inputs={**NODE.inputs, "names": InputSpec(items=())})},
    "a declared file": {"run": prepared(files={"a.csv": "f9", "b.csv": "f2"})},
    "a declared file that is gone": {"run": prepared(files={"b.csv": "f2"})},
    "a declared variable": {"variables": {**VARIABLES, "MODE": "slow"}},
    "a codec": {
        "node": with_node(outputs=(OutputSpec(name="output", annotation="bytes", type_names=("builtins.bytes",)),))
    },
    "an output's name": {"node": with_node(outputs=(msgspec.structs.replace(NODE.outputs[0], name="count"),))},
    "Python": {"run": with_runtime(python="3.12.1")},
    "the platform": {"run": with_runtime(platform="darwin")},
    "a package": {"run": with_runtime(distributions={"numpy": "2.1.1"})},
    "the seed": {"node": with_options(seed=8)},
    "the threads": {"node": with_options(cpu=2)},
}
SAME = {
    "an input's file and type": {"rows": msgspec.structs.replace(ROWS, size_bytes=10, summary={"rows": 3})},
    "a file that is not declared": {"run": prepared(files={"a.csv": "f1", "b.csv": "f9"})},
    "a variable that is not declared": {"variables": {**VARIABLES, "HOME": "/home/you"}},
    "the node's name": {"node": with_node(id="train-2")},
    "retries, backoff and timeout": {"node": with_options(retries=3, backoff_s=9.0, timeout_s=5.0)},
    "commit and sources of the run": {
        "run": replace(prepared(), run=msgspec.structs.replace(prepared().run, commit="d", sources_digest="t"))
    },
    "the order of functions": {"run": with_code(parts=dict(reversed(CODE.parts.items())))},
}


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_may_change_the_result_changes_the_key(change):
    assert key(**CHANGES[change]) != key()


@pytest.mark.parametrize("change", SAME)
def test_what_cannot_change_the_result_leaves_the_key(change):
    assert key(**SAME[change]) == key()


def test_no_two_of_these_changes_give_one_key():
    keys = [key(), *(key(**change) for change in CHANGES.values())]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize(
    ("part", "value", "told"),
    [
        ("code", {"m:train": "9", "m:help": "2"}, "code of m:train changed"),
        ("parameters", {"rate": 0.2, "names.length": 1, "names.0": "x"}, "parameter rate: 0.1 -> 0.2"),
        ("inputs", {"rows": "c"}, "input rows changed"),
        ("files", {}, "file a.csv is gone"),
        ("variables", {"MODE": "slow"}, "variable MODE: 'fast' -> 'slow'"),
        ("python", "3.12.1", "Python: '3.11.9' -> '3.12.1'"),
        ("distributions", {"numpy": "2.1.0", "scipy": "1"}, "package scipy is new"),
        ("modules", {"m.plugin": "1"}, "module m.plugin (loaded dynamically) is new"),
        ("seed", 8, "seed: 7 -> 8"),
        ("cpu", 2, "cpu: 1 -> 2"),
    ],
)
def test_the_part_that_changed_is_named_and_no_other(part, value, told):
    old = fingerprint_parts(NODE, prepared(), {"rows": ROWS}, CodecTable.default(), VARIABLES)
    new = copy.deepcopy(old) | {part: value}
    assert explain_difference(old, new) == [told]
    assert explain_difference(old, copy.deepcopy(old)) == []


def test_every_part_of_the_key_has_words():
    parts = fingerprint_parts(NODE, prepared(), {"rows": ROWS}, CodecTable.default(), VARIABLES)
    for part in parts:
        other = {"other": "x"} if isinstance(parts[part], dict) else "other"
        assert explain_difference(parts, {**parts, part: other}), part


def test_seeds_differ_by_node_and_declared_seed_and_are_32_bits():
    seeds = {seed_of(with_node(id=name)) for name in ("a", "b", "a-2")} | {seed_of(with_options(seed=8))}
    assert len(seeds) == 4
    assert all(0 <= seed < 2**32 for seed in seeds)
    assert seed_of(NODE) == seed_of(with_node(parameters={}))
