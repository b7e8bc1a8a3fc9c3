"""Projections: what was written to a system outside, such as MLflow, and under which id."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select

from tidewheel.core.records.record import Record
from tidewheel.metadata_store.database import Database
from tidewheel.metadata_store.statements import put
from tidewheel.metadata_store.tables import projection as table


class Projection(Record, frozen=True, kw_only=True):
    """One fact as it was written outside.

    Attributes:
        kind: which noun, such as `run`, `model_version`, `alias`.
        key: which one of them.
        digest: of what was written; a fact with another digest must be written again.
        external_id: its name outside; empty where it has none.
    """

    kind: str
    key: str
    digest: str
    external_id: str = ""


class ProjectionStore:
    """What a projector has done, so that doing it again writes nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, projection: Projection) -> None:
        """Records what was written last for a fact. Atomic."""
        with self._database.write() as connection:
            put(connection, table, projection.to_dict())

    def find(self, kind: str, key: str) -> Projection | None:
        """What was written last for a fact, if anything."""
        with self._database.read() as connection:
            row = connection.execute(select(table).where(table.c.kind == kind, table.c.key == key)).mappings().first()
        return None if row is None else Projection(**row)

    def list(self, kind: str | None = None) -> Sequence[Projection]:
        """What was written, of one kind when given."""
        statement = select(table).order_by(table.c.kind, table.c.key)
        if kind is not None:
            statement = statement.where(table.c.kind == kind)
        with self._database.read() as connection:
            return [Projection(**row) for row in connection.execute(statement).mappings()]
