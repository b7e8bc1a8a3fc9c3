"""Projections: what was written to a system outside, such as MLflow, and under which id."""

from __future__ import annotations

from collections.abc import Sequence

from tidewheel.core.records.record import Record
from tidewheel.metadata_store.database import Database
from tidewheel.metadata_store.statements import Columns, put, where

_COLUMNS = "kind, key, digest, external_id"
_FIND = f"SELECT {_COLUMNS} FROM projection WHERE kind = :kind AND key = :key"


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
        key: Columns = {"kind": projection.kind, "key": projection.key}
        values: Columns = {"digest": projection.digest, "external_id": projection.external_id}
        with self._database.write() as connection:
            put(connection, "projection", key, values)

    def find(self, kind: str, key: str) -> Projection | None:
        """What was written last for a fact, if anything."""
        with self._database.read() as connection:
            row = connection.first(_FIND, kind=kind, key=key)
        return None if row is None else _projection(*row)

    def list(self, kind: str | None = None) -> Sequence[Projection]:
        """What was written, of one kind when given."""
        given = {"kind": kind}
        sql = f"SELECT {_COLUMNS} FROM projection {where(given, 'kind = :kind')} ORDER BY kind, key"
        with self._database.read() as connection:
            return [_projection(*row) for row in connection.execute(sql, **given)]


def _projection(kind: str, key: str, digest: str, external_id: str) -> Projection:
    return Projection(kind=kind, key=key, digest=digest, external_id=external_id)
