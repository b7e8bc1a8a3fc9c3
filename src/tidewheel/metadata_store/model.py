"""Models' versions and their states."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from tidewheel.core.clock import utc_now
from tidewheel.core.errors import ConflictError, NotFoundError, ProtectedError
from tidewheel.core.records import Deployment, ModelState, ModelVersion
from tidewheel.core.records.model_version import TRANSITIONS
from tidewheel.core.records.record import Record
from tidewheel.metadata_store.connection import Connection, Row
from tidewheel.metadata_store.database import Database
from tidewheel.metadata_store.statements import Columns, insert, insert_new, where

_KNOWN = "SELECT record FROM model_version WHERE model = :model AND package_digest = :package_digest"
_NEXT = "SELECT coalesce(max(version), 0) + 1 FROM model_version WHERE model = :model"
_READ = "SELECT state, record FROM model_version WHERE model = :model AND version = :version"
_CHANGE = """
    UPDATE model_version SET state = :state, run_id = :run_id, record = :record
    WHERE model = :model AND version = :version
"""
_ALIASES = "SELECT alias FROM model_alias WHERE model = :model AND version = :version ORDER BY alias"
_DEPLOYED = """
    SELECT deployment.record FROM deployment
    JOIN active_deployment AS active ON active.deployment_id = deployment.id
    ORDER BY active.place, active.endpoint, active.role
"""
_FILTERS = ("model = :model", "package_digest = :package_digest", "run_id = :run_id")


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
            insert_new(connection, "model", {"name": name})
            # Whoever holds the model's row is the only one to number its versions.
            connection.first(f"SELECT name FROM model WHERE name = :name {connection.for_update}", name=name)
            known = connection.scalar(_KNOWN, model=name, package_digest=package_digest)
            if known is not None:
                return ModelVersion.from_json(known), False
            number = connection.scalar(_NEXT, model=name)
            version = build(number)
            key: Columns = {"model": name, "version": number, "package_digest": package_digest}
            insert(connection, "model_version", {**key, **_row(version)})
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
        return None if row is None else ModelVersion.from_json(row[1])

    def find_by_package(self, package_digest: str) -> Sequence[ModelVersion]:
        """The versions, of any model, that are this package."""
        return self._list(package_digest=package_digest)

    def find_by_run(self, run_id: str) -> Sequence[ModelVersion]:
        """The versions that a run made."""
        return self._list(run_id=run_id)

    def list(self, name: str | None = None) -> Sequence[ModelVersion]:
        """Versions, newest first for each model, of one model when given."""
        return self._list(model=name)

    def models(self) -> Sequence[str]:
        """The names of models that have a version."""
        with self._database.read() as connection:
            return connection.scalars("SELECT name FROM model ORDER BY name")

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
        unless_alias: str = "",
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
            unless_alias: an alias that must not point to it, looked at in the same transaction; empty for none.

        Raises:
            ProtectedError: that alias points to it.
            ConflictError: it is not in the expected state, or none of `TRANSITIONS` leads to the new one.
            NotFoundError: there is no such version.
        """
        self.get(name, version)
        with self._database.write("decision") as connection:
            change = StateChange(state, reason, event_id, at, verdict_digest)
            hold_version(connection, name, version)  # who moves an alias to it holds it, too, and waits
            if unless_alias in connection.scalars(_ALIASES, model=name, version=version):
                told = f"version {version} of model {name!r} is its {unless_alias} and cannot become {state}"
                raise ProtectedError(told, next_step=f"promote another version of {name} first")
            return change_state(connection, name, version, change, expected=expected)

    def delete(self, name: str, version: int, reason: str, event_id: str, at: datetime) -> ModelVersion:
        """Marks a version as deleted; its row, its history and what names it stay. Atomic: look and change together.

        One that is deleted already stays as it is.

        Raises:
            ProtectedError: an alias points to it, or it is deployed; nothing was changed.
            NotFoundError: there is no such version.
        """
        known = self.get(name, version)
        with self._database.write("decision") as connection:
            row = _read(connection, name, version, is_held=True)
            if row is not None and row[0] == "deleted":
                return known
            _check_unneeded(connection, name, version)
            return change_state(connection, name, version, StateChange("deleted", reason, event_id, at, None))

    def set_features(self, name: str, version: int, features: tuple[dict[str, Any], ...]) -> ModelVersion:
        """Changes the definitions of views that a version is served with. Atomic.

        Raises:
            NotFoundError: there is no such version.
        """
        self.get(name, version)
        with self._database.write("decision") as connection:
            row = _read(connection, name, version, is_held=True)
            assert row is not None, "rows of versions are never deleted"
            changed = msgspec.structs.replace(ModelVersion.from_json(row[1]), features=features)
            connection.execute(_CHANGE, model=name, version=version, **_row(changed))
        return changed

    def history(self, name: str, version: int | None = None) -> Sequence[ModelStateChange]:
        """The changes of state of a model's versions, oldest first."""
        given: Columns = {"model": name, "version": version}
        conditions = where(given, "model = :model", "version = :version")
        sql = f"SELECT record FROM model_state_change {conditions} ORDER BY position"
        with self._database.read() as connection:
            return [ModelStateChange.from_json(record) for record in connection.scalars(sql, **given)]

    def _list(
        self, *, model: str | None = None, package_digest: str | None = None, run_id: str | None = None
    ) -> Sequence[ModelVersion]:
        given = {"model": model, "package_digest": package_digest, "run_id": run_id}
        sql = f"SELECT record FROM model_version {where(given, *_FILTERS)} ORDER BY model, version DESC"
        with self._database.read() as connection:
            return [ModelVersion.from_json(record) for record in connection.scalars(sql, **given)]


class StateChange(NamedTuple):
    """What a version becomes, why, by which event and when; and the verdict that it rests on, None for the old one."""

    state: ModelState
    reason: str
    event_id: str
    at: datetime
    verdict_digest: str | None = None


def change_state(
    connection: Connection, name: str, version: int, change: StateChange, *, expected: ModelState | None = None
) -> ModelVersion:
    """Changes a version's state and writes the history, inside a transaction of the caller.

    Raises:
        ConflictError: it is not in the expected state, or none of `TRANSITIONS` leads to the new one.
    """
    row = _read(connection, name, version, is_held=True)
    assert row is not None, "rows of versions are never deleted"
    before, record = row
    if expected is not None and before != expected:
        raise ConflictError(f"version {version} of model {name!r} is {before!r}, not {expected!r}")
    if change.state != before and change.state not in TRANSITIONS[before]:
        raise ConflictError(
            f"version {version} of model {name!r} is {before}, from where it cannot become {change.state}",
            next_step=f"it can become {', '.join(sorted(TRANSITIONS[before]))}",
        )
    known = ModelVersion.from_json(record)
    digest = known.verdict_digest if change.verdict_digest is None else change.verdict_digest
    changed = msgspec.structs.replace(known, state=change.state, reason=change.reason, verdict_digest=digest)
    connection.execute(_CHANGE, model=name, version=version, **_row(changed))
    _append(connection, changed, before, change.event_id, change.at)
    return changed


def hold_version(connection: Connection, name: str, version: int) -> ModelState | None:
    """A version's state, which nobody changes until the caller's transaction ends; None when it does not exist."""
    row = _read(connection, name, version, is_held=True)
    return None if row is None else row[0]


def _check_unneeded(connection: Connection, name: str, version: int) -> None:
    """Refuses to let a version go to which an alias points, or that should answer somewhere."""
    aliases = connection.scalars(_ALIASES, model=name, version=version)
    if aliases:
        raise ProtectedError(
            f"version {version} of model {name!r} is its {' and '.join(aliases)}",
            next_step=f"promote another version of {name} first"
            if "champion" in aliases
            else f"`tidewheel models alias {name} {aliases[0]} --remove` first",
        )
    for deployment in map(Deployment.from_json, connection.scalars(_DEPLOYED)):
        if (deployment.model, deployment.version) == (name, version):
            raise ProtectedError(
                f"version {version} of model {name!r} is deployed at {deployment.endpoint!r} in {deployment.place}",
                next_step=f"deploy another version, or `tidewheel undeploy {deployment.endpoint}`",
            )


def _row(version: ModelVersion) -> Columns:
    return {"state": version.state, "run_id": version.run_id, "record": version.to_json().decode()}


def _read(connection: Connection, name: str, version: int, *, is_held: bool = False) -> Row | None:
    sql = f"{_READ} {connection.for_update}" if is_held else _READ
    return connection.first(sql, model=name, version=version)


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
    row: Columns = {"model": version.model, "version": version.version, "record": entry.to_json().decode()}
    insert(connection, "model_state_change", row)
