"""Modules that a step was seen to load though its closure did not name them."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import select

from tidewheel.metadata_store.database import Database
from tidewheel.metadata_store.statements import insert_new
from tidewheel.metadata_store.tables import closure_miss as table


class ClosureMissStore:
    """What enters a step's later fingerprints beside its closure."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add_misses(self, step: str, modules: Iterable[str]) -> None:
        """Remembers modules for a step (`module:function`). Atomic and idempotent: all of them, or none."""
        rows = [{"step": step, "module": module} for module in sorted(set(modules))]
        if rows:
            with self._database.write() as connection:
                insert_new(connection, table, *rows)

    def misses_of(self, step: str) -> tuple[str, ...]:
        """The modules remembered for a step, sorted."""
        statement = select(table.c.module).where(table.c.step == step).order_by(table.c.module)
        with self._database.read() as connection:
            return tuple(connection.execute(statement).scalars())

    def all(self) -> dict[str, tuple[str, ...]]:
        """The modules remembered for every step, in one query: what a run reads at its start."""
        found: dict[str, list[str]] = {}
        with self._database.read() as connection:
            for row in connection.execute(select(table).order_by(table.c.step, table.c.module)):
                found.setdefault(row.step, []).append(row.module)
        return {step: tuple(modules) for step, modules in found.items()}
