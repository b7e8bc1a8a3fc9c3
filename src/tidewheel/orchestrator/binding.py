"""From a node of the plan to the addresses of its arguments."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping
from typing import Any

from tidewheel.artifact_store import CodecTable
from tidewheel.core.digest import digest_value
from tidewheel.core.records import Artifact, Execution
from tidewheel.orchestrator.attempt import BoundInput
from tidewheel.orchestrator.fingerprint import Parts
from tidewheel.orchestrator.prepared_run import PreparedRun
from tidewheel.pipeline import InputSpec, PlanNode

UNTYPED = {"object", "builtins.object", "typing.Any"}


def bind_inputs(
    node: PlanNode, prepared: PreparedRun, executions: Mapping[str, Execution]
) -> tuple[dict[str, BoundInput], dict[str, Artifact]]:
    """A node's arguments for the worker, and the artifacts among them by name for the record."""
    if node.kind == "sql":
        tables = prepared.query_inputs[node.id]
        return {name: table.bound for name, table in tables.items()}, {
            name: table.artifact for name, table in tables.items()
        }
    artifacts: dict[str, Artifact] = {}
    bound = {name: _bind(spec, name, prepared, executions, artifacts) for name, spec in node.inputs.items()}
    for name, table in prepared.query_inputs.get(node.id, {}).items():
        bound[f"table.{name}"], artifacts[f"table.{name}"] = table.bound, table.artifact
    return bound, artifacts


def _bind(
    spec: InputSpec,
    name: str,
    prepared: PreparedRun,
    executions: Mapping[str, Execution],
    artifacts: dict[str, Artifact],
) -> BoundInput:
    if spec.node:
        resolved = prepared.resolved.get(spec.node)
        if resolved is not None:
            artifacts[name] = resolved.artifact
            return resolved.bound
        artifacts[name] = executions[spec.node].outputs[spec.output]
        return BoundInput(artifact=artifacts[name])
    if spec.items is not None:
        return BoundInput(
            items=tuple(
                _bind(item, f"{name}.{index}", prepared, executions, artifacts) for index, item in enumerate(spec.items)
            )
        )
    if spec.entries is not None:
        return BoundInput(
            entries={
                key: _bind(item, f"{name}.{key}", prepared, executions, artifacts) for key, item in spec.entries.items()
            }
        )
    return BoundInput(value=spec.value)


def literals_of(node: PlanNode) -> dict[str, Any]:
    """The literal values among a node's data arguments, by the name they have in the record."""
    return {name: value for top, spec in node.inputs.items() for name, value in _literals(top, spec)}


def _literals(name: str, spec: InputSpec) -> Iterator[tuple[str, Any]]:
    if spec.items is not None:
        yield f"{name}.length", len(spec.items)
        for index, item in enumerate(spec.items):
            yield from _literals(f"{name}.{index}", item)
    elif spec.entries is not None:
        for key, item in spec.entries.items():
            yield from _literals(f"{name}.{key}", item)
    elif not spec.node:
        yield name, spec.value


def fingerprint_parts(
    node: PlanNode,
    prepared: PreparedRun,
    inputs: Mapping[str, Artifact],
    codecs: CodecTable,
    variables: Mapping[str, str],
) -> Parts:
    """What the key of a node's execution is made of, as JSON values; see design, "Sources and fingerprint"."""
    code = prepared.code[node.step]
    return {
        "step": node.step,
        "code": code.parts,
        "modules": code.missed,
        "parameters": {**node.parameters, **node.arguments, **literals_of(node)},
        "inputs": {name: artifact.digest for name, artifact in inputs.items()},
        "files": {path: prepared.file_digests.get(path, "missing") for path in node.options.files},
        "variables": {name: variables.get(name, "") for name in node.options.variables},
        "codecs": {output.name: codecs.find_for_type_names(output.type_names) or "" for output in node.outputs},
        "python": code.runtime.python,
        "platform": code.runtime.platform or platform.platform(),
        "distributions": code.runtime.distributions,
        "seed": node.options.seed,
        "cpu": node.options.cpu,
    }


def seed_of(node: PlanNode) -> int:
    """The seed of a node's worker: 32 bits from the declared seed and the node's name."""
    return int(digest_value("seed", [node.options.seed, node.id])[:8], 16)


def codec_problems(prepared: PreparedRun, codecs: CodecTable) -> list[str]:
    """The declared outputs that no codec can store; asked before the first step starts."""
    return [
        f"output {output.name!r} has type {output.annotation}, for which there is no codec @ step {node.id}"
        for node in prepared.plan.nodes
        if node.kind == "step"
        for output in node.outputs
        if not UNTYPED.issuperset(output.type_names) and codecs.find_for_type_names(output.type_names) is None
    ]
