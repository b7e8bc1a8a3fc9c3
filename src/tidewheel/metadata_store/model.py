"""Models' versions and their states."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, func, insert, select, update

from tidewheel.core.clock import utc_now
from tidewheel.core.errors import ConflictError, NotFoundError
from tidewheel.core.records import ModelState, ModelVersion
from tidewheel.core.records.record import Record
from tidewheel.metadata_store.database import Database
from tidewheel.metadata_store.statements import insert_new
from tidewheel.metadata_store.tables import model
from tidewheel.metadata_store.tables import model_state_change as change
from tidewheel.metadata_store.tables import model_version as table


class ModelStateChange(Record, frozen=True, kw_only=True):
    """One step of a model version on its way.

    Attributes:
        from_state: what it was; None at the registration.
        to_state: what it became.
        reason: why, in one line.
        event_id: the cause; empty at the registration, whose cause is that of the version's run.
        at, recorded_at: workspace clock; wall clock.
    """

    model: str
    version: int
    from_state: ModelState | None
    to_state: ModelState
    reason: str
    event_id: str
    at: datetime
    recorded_at: datetime


class ModelStore:
    """Registered packages, numbered 1, 2, 3, ... for each model, and the history of their states."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def register(
        self, name: str, package_digest: str, build: Callable[[int], ModelVersion]
    ) -> tuple[ModelVersion, bool]:
        """Gives a package the model's next number, or finds the version that it already is.

        Atomic: numbers have no gaps and a package has one version, however many register at once.

        Args:
            name: of the model.
            package_digest: of the package artifact.
            build: makes the version from its number; called inside the transaction, so it must be quick and pure.

        Returns:
            The version, and whether it is new.
        """
        with self._database.write("decision") as connection:
            insert_new(connection, model, {"name": name})
            # Whoever holds the model's row is the only one to number its versions.
            connection.execute(select(model).where(model.c.name == name).with_for_update()).all()
            known = connection.execute(
                select(table.c.record).where(table.c.model == name, table.c.package_digest == package_digest)
            ).scalar()
            if known is not None:
                return ModelVersion.from_json(known), False
            number = connection.execute(
                select(func.coalesce(func.max(table.c.version), 0) + 1).where(table.c.model == name)
            ).scalar_one()
            version = build(number)
            connection.execute(
                insert(table).values(**_row(version), model=name, version=number, package_digest=package_digest)
            )
            _append(connection, version, None, "", version.at)
        return version, True

    def get(self, name: str, version: int) -> ModelVersion:
        """A version of a model.

        Raises:
            NotFoundError: the model or the version does not exist; what exists is named.
        """
        found = self.find(name, version)
        if found is not None:
            return found
        versions = [str(known.version) for known in self.list(name)]
        if versions:
            raise NotFoundError(
                "version", str(version), where=f"model {name!r}", next_step=f"known: {', '.join(versions)}"
            )
        raise NotFoundError("model", name, known=self.models())

    def find(self, name: str, version: int) -> ModelVersion | None:
        """A version of a model, if it exists."""
        with self._database.read() as connection:
            row = _read(connection, name, version)
        return None if row is None else ModelVersion.from_json(row.record)

    def find_by_package(self, package_digest: str) -> Sequence[ModelVersion]:
        """The versions, of any model, that are this package."""
        return self._list(table.c.package_digest == package_digest)

    def find_by_run(self, run_id: str) -> Sequence[ModelVersion]:
        """The versions that a run made."""
        return self._list(table.c.run_id == run_id)

    def list(self, name: str | None = None) -> Sequence[ModelVersion]:
        """Versions, newest first for each model, of one model when given."""
        return self._list(*([] if name is None else [table.c.model == name]))

    def models(self) -> Sequence[str]:
        """The names of models that have a version."""
        with self._database.read() as connection:
            return connection.execute(select(model.c.name).order_by(model.c.name)).scalars().all()

    def set_state(
        self,
        name: str,
        version: int,
        state: ModelState,
        reason: str,
        event_id: str,
        at: datetime,
        *,
        expected: ModelState | None = None,
        verdict_digest: str | None = None,
    ) -> ModelVersion:
        """Changes a version's state. Atomic: the current row and the history together, by compare-and-swap.

        Args:
            name, version: which.
            state: what it becomes.
            reason: why, in one line.
            event_id: the cause.
            at: workspace clock.
            expected: what it must be now; None for whatever it is.
            verdict_digest: the verdict that the new state rests on; None to keep the one there is.

        Raises:
            ConflictError: it is not in the expected state.
            NotFoundError: there is no such version.
        """
        self.get(name, version)
        with self._database.write("decision") as connection:
            row = _read(connection, name, version, is_held=True)
            assert row is not None, "versions are never deleted"
            if expected is not None and row.state != expected:
                raise ConflictError(f"version {version} of model {name!r} is {row.state!r}, not {expected!r}")
            known = ModelVersion.from_json(row.record)
            digest = known.verdict_digest if verdict_digest is None else verdict_digest
            changed = msgspec.structs.replace(known, state=state, reason=reason, verdict_digest=digest)
            connection.execute(
                update(table).where(table.c.model == name, table.c.version == version).values(_row(changed))
            )
            _append(connection, changed, row.state, event_id, at)
        return changed

    def history(self, name: str, version: int | None = None) -> Sequence[ModelStateChange]:
        """The changes of state of a model's versions, oldest first."""
        statement = select(change.c.record).where(change.c.model == name).order_by(change.c.position)
        if version is not None:
            statement = statement.where(change.c.version == version)
        with self._database.read() as connection:
            return [ModelStateChange.from_json(record) for record in connection.execute(statement).scalars()]

    def _list(self, *conditions: ColumnElement[bool]) -> Sequence[ModelVersion]:
        statement = select(table.c.record).order_by(table.c.model, table.c.version.desc())
        for condition in conditions:
            statement = statement.where(condition)
        with self._database.read() as connection:
            return [ModelVersion.from_json(record) for record in connection.execute(statement).scalars()]


def _row(version: ModelVersion) -> dict[str, object]:
    return {"state": version.state, "run_id": version.run_id, "record": version.to_json().decode()}


def _read(connection: Connection, name: str, version: int, *, is_held: bool = False) -> Row[Any, Any] | None:
    statement = select(table.c.state, table.c.record).where(table.c.model == name, table.c.version == version)
    return connection.execute(statement.with_for_update() if is_held else statement).first()


def _append(
    connection: Connection, version: ModelVersion, from_state: ModelState | None, event_id: str, at: datetime
) -> None:
    entry = ModelStateChange(
        model=version.model,
        version=version.version,
        from_state=from_state,
        to_state=version.state,
        reason=version.reason,
        event_id=event_id,
        at=at,
        recorded_at=utc_now(),
    )
    connection.execute(
        insert(change).values(model=version.model, version=version.version, record=entry.to_json().decode())
    )
