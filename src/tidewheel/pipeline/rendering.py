"""A plan as text and as a Mermaid diagram (https://mermaid.js.org, flowchart syntax)."""

from __future__ import annotations

import json
from typing import Any

# Plans draw themselves with these functions, so their types cannot be imported here.
Plan = Any
PlanNode = Any
InputSpec = Any


def to_text(plan: Plan) -> str:
    """One paragraph per node: what it is, what it takes, what it gives.

    Names are sorted, as in a plan's JSON, so that a plan that was read back prints like the one that was traced.
    """
    parameters = ", ".join(f"{name}={json.dumps(value)}" for name, value in sorted(plan.parameters.items()))
    lines = [f"{plan.pipeline}({parameters})  {plan.digest[:16]}"]
    for node in plan.nodes:
        lines.append(f"  {node.id}{_told(node)}")
        lines += [f"      {name} <- {_source(spec)}" for name, spec in sorted(node.inputs.items())]
        literals = {**node.arguments, **node.parameters}
        lines += [f"      {name} = {json.dumps(value)}" for name, value in sorted(literals.items())]
        lines += [f"      -> {output.name}: {output.annotation}" for output in node.outputs]
    lines += [f"  returns {name}: {node}.{output}" for name, (node, output) in sorted(plan.outputs.items())]
    return "\n".join(lines)


def to_mermaid(plan: Plan) -> str:
    """A flowchart from left to right; tables are cylinders, the other reads have shapes of their own."""
    keys = {node.id: f"n{index}" for index, node in enumerate(plan.nodes)}
    lines = ["flowchart LR"]
    lines += [f"    {keys[node.id]}{_shape(node)}" for node in plan.nodes]
    for node in plan.nodes:
        for name, spec in sorted(node.inputs.items()):
            lines += [f"    {keys[source]} -->|{name}| {keys[node.id]}" for source in dict.fromkeys(spec.nodes())]
    return "\n".join(lines)


def _told(node: PlanNode) -> str:
    options = node.options
    told = [
        f"{options.retries} retries" if options.retries else "",
        f"timeout {options.timeout_s:g} s" if options.timeout_s is not None else "",
        f"{options.cpu} cpu" if options.cpu != 1 else "",
        "" if options.is_cached else "never cached",
    ]
    shown = ", ".join(text for text in told if text)
    return f"  [{node.step or node.kind}{'; ' + shown if shown else ''}]"


def _source(spec: InputSpec) -> str:
    if spec.node:
        return f"{spec.node}.{spec.output}"
    if spec.items is not None:
        return f"[{', '.join(_source(item) for item in spec.items)}]"
    if spec.entries is not None:
        return "{" + ", ".join(f"{key}: {_source(item)}" for key, item in sorted(spec.entries.items())) + "}"
    return json.dumps(spec.value)


def _shape(node: PlanNode) -> str:
    text = '"' + node.id.replace('"', "'") + '"'
    shapes = {
        "table": f"[({text})]",
        "reference": f"[({text})]",
        "sql": f"[/{text}/]",
        "features": f"[[{text}]]",
        "champion": f"{{{{{text}}}}}",
    }
    return shapes.get(node.kind, f"[{text}]")
