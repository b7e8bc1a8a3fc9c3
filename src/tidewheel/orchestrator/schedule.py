"""Which nodes of a plan may start now."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from tidewheel.pipeline import Plan


class Schedule:
    """Hands out nodes as what they need succeeds, in the order of the plan.

    Every operation costs the edges that it touches, so a plan of 1,000 nodes is handled in linear time.
    """

    def __init__(self, plan: Plan) -> None:
        self._missing = {node.id: len(plan.dependencies(node.id)) for node in plan.nodes}
        self._dependents: dict[str, list[str]] = {node.id: [] for node in plan.nodes}
        for node in plan.nodes:
            for needed in sorted(plan.dependencies(node.id)):
                self._dependents[needed].append(node.id)
        self._ready = deque(name for name, count in self._missing.items() if count == 0)
        self._open = set(self._missing)

    @property
    def is_finished(self) -> bool:
        """True when every node has succeeded, failed or been skipped."""
        return not self._open

    def take(self) -> Iterator[str]:
        """The nodes that can start, each handed out once."""
        while self._ready:
            yield self._ready.popleft()

    def succeed(self, name: str) -> None:
        """Frees the nodes that waited for this one."""
        self._open.discard(name)
        for dependent in self._dependents[name]:
            self._missing[dependent] -= 1
            if self._missing[dependent] == 0:
                self._ready.append(dependent)

    def fail(self, name: str) -> list[str]:
        """Closes a node and all that depend on it; returns those dependents."""
        self._open.discard(name)
        skipped: list[str] = []
        queue = deque(self._dependents[name])
        while queue:
            dependent = queue.popleft()
            if dependent in self._open:
                self._open.discard(dependent)
                skipped.append(dependent)
                queue.extend(self._dependents[dependent])
        return skipped

    def abandon(self) -> list[str]:
        """Closes everything that has not ended; returns it."""
        rest = sorted(self._open)
        self._open.clear()
        self._ready.clear()
        return rest
