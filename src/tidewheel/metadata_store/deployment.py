"""Deployments: the desired state of every endpoint, and how it came about."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from tidewheel.core.clock import utc_now
from tidewheel.core.errors import ConflictError
from tidewheel.core.records import Deployment
from tidewheel.core.records.deployment import Role
from tidewheel.core.records.record import Record
from tidewheel.metadata_store.connection import Connection
from tidewheel.metadata_store.database import Database
from tidewheel.metadata_store.model import hold_version
from tidewheel.metadata_store.statements import get_by_prefix, insert, insert_new, where

_IN_SLOT = "WHERE place = :place AND endpoint = :endpoint AND role = :role"
_CURRENT = f"SELECT deployment_id FROM active_deployment {_IN_SLOT}"
_SWAP = f"UPDATE active_deployment SET deployment_id = :new {_IN_SLOT} AND deployment_id = :expected"
_REMOVE = f"DELETE FROM active_deployment {_IN_SLOT} AND deployment_id = :expected"
_IS_ACTIVE = "SELECT count(*) FROM active_deployment WHERE deployment_id = :id"


class DeploymentChange(Record, frozen=True, kw_only=True):
    """One change of what an endpoint should answer with.

    Attributes:
        from_id: the deployment that was active; empty when none was.
        to_id: the one that is since; empty when it was taken down.
        event_id: the cause.
        reason: why, in one line.
        at, recorded_at: workspace clock; wall clock.
    """

    place: str
    endpoint: str
    role: Role
    from_id: str
    to_id: str
    event_id: str
    reason: str
    at: datetime
    recorded_at: datetime


class DeploymentStore:
    """Deployments are written once; which one is active for a place, endpoint and role is a row of its own."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, deployment: Deployment, *, expected: str | None, reason: str = "") -> Deployment:
        """Makes a deployment the active one in its place, endpoint and role; on the disk when this returns.

        Atomic: the deployment, the active row and the history together, by compare-and-swap.

        Args:
            deployment: the new desired state.
            expected: id of the active deployment that it supersedes; None when there must be none.
            reason: why, in one line.

        Raises:
            ConflictError: another one is active, or the version is deleted.
        """
        deployment = msgspec.structs.replace(deployment, is_active=True)
        slot = {"place": deployment.place, "endpoint": deployment.endpoint, "role": deployment.role}
        row = {"id": deployment.id, "place": deployment.place, "endpoint": deployment.endpoint}
        with self._database.write("decision") as connection:
            if hold_version(connection, deployment.model, deployment.version) == "deleted":
                raise ConflictError(
                    f"version {deployment.version} of model {deployment.model!r} is deleted",
                    next_step="deploy another version",
                )
            insert(connection, "deployment", {**row, "record": deployment.to_json().decode()})
            if expected is None:
                swapped = insert_new(connection, "active_deployment", {**slot, "deployment_id": deployment.id})
            else:
                swapped = connection.execute(_SWAP, **slot, expected=expected, new=deployment.id).rowcount
            if not swapped:
                raise _conflict(connection, slot, expected)
            _append(connection, slot, expected, deployment.id, deployment.event_id, reason, deployment.at)
        return deployment

    def take_down(self, deployment_id: str, *, event_id: str, reason: str, at: datetime) -> Deployment:
        """Leaves the place, endpoint and role of a deployment without one. Atomic, by compare-and-swap.

        Raises:
            ConflictError: it is not active any more.
            NotFoundError: there is no such deployment.
        """
        with self._database.write("decision") as connection:
            deployment = Deployment.from_json(get_by_prefix(connection, "deployment", "deployment", deployment_id))
            slot = {"place": deployment.place, "endpoint": deployment.endpoint, "role": deployment.role}
            if not connection.execute(_REMOVE, **slot, expected=deployment.id).rowcount:
                raise _conflict(connection, slot, deployment.id)
            _append(connection, slot, deployment.id, "", event_id, reason, at)
        return msgspec.structs.replace(deployment, is_active=False)

    def active(self, place: str | None = None, endpoint: str | None = None) -> Sequence[Deployment]:
        """The desired state: active deployments, of a place and an endpoint when given."""
        given = {"place": place, "endpoint": endpoint}
        sql = f"""
            SELECT deployment.record FROM deployment
            JOIN active_deployment AS active ON active.deployment_id = deployment.id
            {where(given, "active.place = :place", "active.endpoint = :endpoint")}
            ORDER BY active.place, active.endpoint, active.role
        """
        with self._database.read() as connection:
            return [Deployment.from_json(record) for record in connection.scalars(sql, **given)]

    def find_active(self, place: str, endpoint: str, role: Role = "champion") -> Deployment | None:
        """The active deployment in a place, endpoint and role."""
        return next((found for found in self.active(place, endpoint) if found.role == role), None)

    def get(self, deployment_id: str) -> Deployment:
        """The deployment with this id, or with an id that begins so.

        Raises:
            NotFoundError: none has, or several have.
        """
        with self._database.read() as connection:
            found = Deployment.from_json(get_by_prefix(connection, "deployment", "deployment", deployment_id))
            is_active = connection.scalar(_IS_ACTIVE, id=found.id) > 0
        return msgspec.structs.replace(found, is_active=is_active)

    def history(self, endpoint: str, place: str | None = None) -> Sequence[Deployment]:
        """An endpoint's deployments, newest first; `is_active` says which ones still are."""
        given = {"endpoint": endpoint, "place": place}
        sql = f"""
            SELECT deployment.record, active.deployment_id FROM deployment
            LEFT JOIN active_deployment AS active ON active.deployment_id = deployment.id
            {where(given, "deployment.endpoint = :endpoint", "deployment.place = :place")}
            ORDER BY deployment.id DESC
        """
        with self._database.read() as connection:
            rows = connection.execute(sql, **given).fetchall()
        return [
            msgspec.structs.replace(Deployment.from_json(record), is_active=active_id is not None)
            for record, active_id in rows
        ]

    def changes(self, endpoint: str, place: str | None = None) -> Sequence[DeploymentChange]:
        """What changed at an endpoint and why, oldest first."""
        given = {"endpoint": endpoint, "place": place}
        conditions = where(given, "endpoint = :endpoint", "place = :place")
        sql = f"SELECT record FROM deployment_change {conditions} ORDER BY position"
        with self._database.read() as connection:
            return [DeploymentChange.from_json(record) for record in connection.scalars(sql, **given)]


def _conflict(connection: Connection, slot: dict[str, str], expected: str | None) -> ConflictError:
    now = connection.scalar(_CURRENT, **slot)
    return ConflictError(
        f"{slot['role']} of endpoint {slot['endpoint']!r} is {now or 'no deployment'}, not {expected or 'none'}",
        where=f"place {slot['place']}",
        next_step="look at the newer deployment, then decide again",
    )


def _append(
    connection: Connection,
    slot: dict[str, str],
    from_id: str | None,
    to_id: str,
    event_id: str,
    reason: str,
    at: datetime,
) -> None:
    entry = DeploymentChange.from_dict(
        {**slot, "from_id": from_id or "", "to_id": to_id, "event_id": event_id, "reason": reason}
        | {"at": at, "recorded_at": utc_now()}
    )
    row = {"place": slot["place"], "endpoint": slot["endpoint"], "record": entry.to_json().decode()}
    insert(connection, "deployment_change", row)
