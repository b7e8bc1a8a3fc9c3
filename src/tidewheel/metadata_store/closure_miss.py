"""Modules that a step was seen to load though its closure did not name them."""

from __future__ import annotations

from collections.abc import Iterable

from tidewheel.metadata_store.database import Database
from tidewheel.metadata_store.statements import insert_new

_OF_STEP = "SELECT module FROM closure_miss WHERE step = :step ORDER BY module"
_ALL = "SELECT step, module FROM closure_miss ORDER BY step, module"


class ClosureMissStore:
    """What enters a step's later fingerprints beside its closure."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add_misses(self, step: str, modules: Iterable[str]) -> None:
        """Remembers modules for a step (`module:function`). Atomic and idempotent: all of them, or none."""
        rows = [{"step": step, "module": module} for module in sorted(set(modules))]
        if rows:
            with self._database.write() as connection:
                insert_new(connection, "closure_miss", *rows)

    def misses_of(self, step: str) -> tuple[str, ...]:
        """The modules remembered for a step, sorted."""
        with self._database.read() as connection:
            return tuple(connection.scalars(_OF_STEP, step=step))

    def all(self) -> dict[str, tuple[str, ...]]:
        """The modules remembered for every step, in one query: what a run reads at its start."""
        found: dict[str, list[str]] = {}
        with self._database.read() as connection:
            for step, module in connection.execute(_ALL):
                found.setdefault(step, []).append(module)
        return {step: tuple(modules) for step, modules in found.items()}
