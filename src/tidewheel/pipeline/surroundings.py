"""What a step's code may ask about where it runs, when a worker runs it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

import msgspec


class Surroundings(msgspec.Struct, frozen=True):
    """The worker that carries out a step.

    Attributes:
        scratch: a folder for unfinished work. It is named by all that the result depends on (the step's fingerprint),
            outlives a worker that was killed, and is removed when the step has succeeded: what lies there was left by
            an earlier attempt at exactly this result.
        cpu: threads that the step may use.
        seed: of its random generators.
        known_modules: project modules that its fingerprint covers.
    """

    scratch: Path
    cpu: int = 1
    seed: int = 0
    known_modules: frozenset[str] = frozenset()


_surroundings: ContextVar[Surroundings | None] = ContextVar("tidewheel_surroundings", default=None)


def surroundings() -> Surroundings | None:
    """Where the step runs; None in a notebook or a test, where it is a plain function."""
    return _surroundings.get()


@contextmanager
def surrounded(by: Surroundings) -> Iterator[None]:
    """The code inside runs there."""
    token = _surroundings.set(by)
    try:
        yield
    finally:
        _surroundings.reset(token)
