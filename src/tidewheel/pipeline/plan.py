"""A pipeline as data: what will be called with what, before anything is."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any, Literal

import msgspec

from tidewheel.core.digest import digest_value
from tidewheel.core.records.record import Record

NodeKind = Literal["step", "table", "sql", "features", "champion", "reference"]


class StepOptions(Record, frozen=True, kw_only=True):
    """How a step is carried out.

    Attributes:
        retries: attempts after the first that failed.
        backoff_s: pause before the first of them; doubled each time.
        timeout_s: an attempt that runs longer is ended; None for no limit.
        cpu: threads that its libraries may use.
        is_cached: whether an equal execution may be taken instead.
        files: paths in the project that it reads.
        variables: environment variables that it reads.
        seed: its random generators' seed, together with the node's name.
    """

    retries: int = 0
    backoff_s: float = 1.0
    timeout_s: float | None = None
    cpu: int = 1
    is_cached: bool = True
    files: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()
    seed: int = 0


class OutputSpec(Record, frozen=True, kw_only=True):
    """A declared output.

    Attributes:
        name: a field of the NamedTuple, or `output`.
        annotation: the type as it is written.
        type_names: its qualified names along the MRO, and `dataclass`, `namedtuple`, `enum` where they apply.
    """

    name: str
    annotation: str
    type_names: tuple[str, ...]


class InputSpec(Record, frozen=True, kw_only=True):
    """A data argument: an output of another node, or a literal, list or dict of such.

    Attributes:
        node, output: the address of an output; empty when it is none.
        items, entries: elements of a list or dict.
        value: a JSON literal, when nothing else is set.
    """

    node: str = ""
    output: str = ""
    items: tuple[InputSpec, ...] | None = None
    entries: dict[str, InputSpec] | None = None
    value: Any = None

    def nodes(self) -> Iterator[str]:
        """The nodes that it needs."""
        if self.node:
            yield self.node
        for spec in (*(self.items or ()), *(self.entries or {}).values()):
            yield from spec.nodes()


class PlanNode(Record, frozen=True, kw_only=True):
    """One call.

    Attributes:
        id: the step's name; a second call of it is `name-2`; in a nested pipeline `pipeline.name`.
        kind: a call of a step, or a table, query, join of features, champion or reference that the run looks up first.
        step: `module:function`; empty for the other kinds.
        parameters: keyword-only arguments as JSON, defaults filled in.
        inputs: data arguments.
        input_types: type names of their annotations.
        arguments: of the other kinds: `name`, `query`, `as_of`.
    """

    id: str
    kind: NodeKind
    step: str = ""
    step_name: str = ""
    parameters: dict[str, Any] = {}
    inputs: dict[str, InputSpec] = {}
    input_types: dict[str, tuple[str, ...]] = {}
    arguments: dict[str, Any] = {}
    outputs: tuple[OutputSpec, ...]
    options: StepOptions = StepOptions()


class Plan(Record, frozen=True, kw_only=True, dict=True):
    """The calls of a pipeline in the order in which they were traced, which is topological.

    Attributes:
        pipeline, address: its name and `module:function`.
        parameters: effective arguments as JSON.
        outputs: the pipeline's own outputs: node and output by name.
    """

    pipeline: str
    address: str
    parameters: dict[str, Any]
    nodes: tuple[PlanNode, ...]
    outputs: dict[str, tuple[str, str]]

    def __repr__(self) -> str:
        return f"<plan of {self.pipeline}: {', '.join(node.id for node in self.nodes)}>"

    @cached_property
    def digest(self) -> str:
        """Names the version of the pipeline with these parameters."""
        return digest_value("plan", msgspec.to_builtins(self))

    @cached_property
    def _needs(self) -> dict[str, frozenset[str]]:
        return {
            node.id: frozenset(needed for spec in node.inputs.values() for needed in spec.nodes())
            for node in self.nodes
        }

    def dependencies(self, node_id: str) -> frozenset[str]:
        """The nodes whose outputs a node needs."""
        return self._needs[node_id]

    def to_text(self) -> str:
        """The plan for reading in a terminal."""
        from tidewheel.pipeline.rendering import to_text

        return to_text(self)

    def to_mermaid(self) -> str:
        """The plan as a Mermaid flowchart."""
        from tidewheel.pipeline.rendering import to_mermaid

        return to_mermaid(self)
