"""The plan that is being drawn in this context, if any."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from tidewheel.pipeline.parameters import to_json
from tidewheel.pipeline.plan import InputSpec, NodeKind, OutputSpec, PlanNode
from tidewheel.pipeline.ref import Ref

_current: ContextVar[Trace | None] = ContextVar("tidewheel_trace", default=None)
_is_inside_step: ContextVar[bool] = ContextVar("tidewheel_inside_step", default=False)


class Trace:
    """Collects nodes and every problem that is found on the way.

    Attributes:
        nodes: in call order.
        problems: one line each, `message @ place`.
    """

    def __init__(self, pipeline: str) -> None:
        self.nodes: list[PlanNode] = []
        self.problems: list[str] = []
        self._counts: Counter[str] = Counter()
        self._taken: set[str] = set()
        self._path = [pipeline]

    def add(self, kind: NodeKind, name: str, outputs: tuple[OutputSpec, ...], **facts: Any) -> PlanNode:
        """Adds a call under the next free name."""
        node = PlanNode(id=self._free(name), kind=kind, outputs=outputs, **facts)
        self.nodes.append(node)
        return node

    def note(self, message: str, call: str) -> None:
        """Keeps a problem; tracing goes on, so that all are reported together."""
        self.problems.append(f"{message} @ {' > '.join(self._path)}, call {call}")

    @contextmanager
    def nested(self, pipeline: str) -> Iterator[None]:
        """Nodes that are added inside belong to a nested pipeline."""
        self._path.append(pipeline)
        try:
            yield
        finally:
            self._path.pop()

    def _free(self, name: str) -> str:
        full = ".".join([*self._path[1:], name])
        self._counts[full] += 1
        node_id = full if self._counts[full] == 1 else f"{full}-{self._counts[full]}"
        while node_id in self._taken:  # a table or model may be called `name-2` itself
            self._counts[full] += 1
            node_id = f"{full}-{self._counts[full]}"
        self._taken.add(node_id)
        return node_id


def current_trace() -> Trace | None:
    """The trace that calls of steps go to; None when steps are plain functions."""
    return _current.get()


@contextmanager
def tracing(trace: Trace) -> Iterator[None]:
    """Calls of steps inside are recorded in `trace`."""
    token = _current.set(trace)
    try:
        yield
    finally:
        _current.reset(token)


@contextmanager
def inside_step() -> Iterator[None]:
    """What runs inside is the body of a step: it reads nothing by itself."""
    token = _is_inside_step.set(True)
    try:
        yield
    finally:
        _is_inside_step.reset(token)


def is_inside_step() -> bool:
    """Whether the body of a step is running."""
    return _is_inside_step.get()


def input_spec(value: Any) -> InputSpec:
    """A data argument as data.

    Raises:
        TypeError: it holds a value that is neither a Ref nor JSON, or a dict with keys that are no text.
    """
    if isinstance(value, Ref):
        return InputSpec(node=value.node, output=value.output)
    if holds_refs(value):
        if isinstance(value, dict):
            if not all(isinstance(key, str) for key in value):
                raise TypeError("a dict of outputs must have text keys")
            return InputSpec(entries={key: input_spec(one) for key, one in value.items()})
        return InputSpec(items=tuple(input_spec(one) for one in value))
    if not _has_text_keys(value):
        raise TypeError("a dict as data must have text keys: the step would receive text in any case")
    return InputSpec(value=to_json(value))


def holds_refs(value: Any) -> bool:
    """Whether a value is a Ref, or a list or dict with one in it."""
    if isinstance(value, Ref):
        return True
    if isinstance(value, dict):
        return any(holds_refs(one) for one in value.values())
    return isinstance(value, list | tuple) and any(holds_refs(one) for one in value)


def _has_text_keys(value: Any) -> bool:
    if isinstance(value, dict):
        return all(isinstance(key, str) and _has_text_keys(one) for key, one in value.items())
    return not isinstance(value, list | tuple) or all(_has_text_keys(one) for one in value)
