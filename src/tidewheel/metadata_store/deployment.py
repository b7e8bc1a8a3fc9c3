"""Deployments: the desired state of every endpoint, and how it came about."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec
from sqlalchemy import ColumnElement, Connection, delete, insert, select, update

from tidewheel.core.clock import utc_now
from tidewheel.core.errors import ConflictError
from tidewheel.core.records import Deployment
from tidewheel.core.records.deployment import Role
from tidewheel.core.records.record import Record
from tidewheel.metadata_store.database import Database
from tidewheel.metadata_store.statements import get_by_prefix, insert_new
from tidewheel.metadata_store.tables import active_deployment as active
from tidewheel.metadata_store.tables import deployment as table
from tidewheel.metadata_store.tables import deployment_change as change


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
            ConflictError: another one is active.
        """
        deployment = msgspec.structs.replace(deployment, is_active=True)
        slot = {"place": deployment.place, "endpoint": deployment.endpoint, "role": deployment.role}
        row = {"id": deployment.id, "place": deployment.place, "endpoint": deployment.endpoint}
        with self._database.write("decision") as connection:
            connection.execute(insert(table).values(**row, record=deployment.to_json().decode()))
            if expected is None:
                swapped = insert_new(connection, active, {**slot, "deployment_id": deployment.id})
            else:
                swapped = connection.execute(
                    update(active)
                    .where(*_is_slot(slot), active.c.deployment_id == expected)
                    .values(deployment_id=deployment.id)
                ).rowcount
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
            deployment = Deployment.from_json(get_by_prefix(connection, table, "deployment", deployment_id))
            slot = {"place": deployment.place, "endpoint": deployment.endpoint, "role": deployment.role}
            removed = connection.execute(
                delete(active).where(*_is_slot(slot), active.c.deployment_id == deployment.id)
            ).rowcount
            if not removed:
                raise _conflict(connection, slot, deployment.id)
            _append(connection, slot, deployment.id, "", event_id, reason, at)
        return msgspec.structs.replace(deployment, is_active=False)

    def active(self, place: str | None = None, endpoint: str | None = None) -> Sequence[Deployment]:
        """The desired state: active deployments, of a place and an endpoint when given."""
        statement = (
            select(table.c.record)
            .join(active, active.c.deployment_id == table.c.id)
            .order_by(active.c.place, active.c.endpoint, active.c.role)
        )
        if place is not None:
            statement = statement.where(active.c.place == place)
        if endpoint is not None:
            statement = statement.where(active.c.endpoint == endpoint)
        with self._database.read() as connection:
            return [Deployment.from_json(record) for record in connection.execute(statement).scalars()]

    def find_active(self, place: str, endpoint: str, role: Role = "champion") -> Deployment | None:
        """The active deployment in a place, endpoint and role."""
        return next((found for found in self.active(place, endpoint) if found.role == role), None)

    def get(self, deployment_id: str) -> Deployment:
        """The deployment with this id, or with an id that begins so.

        Raises:
            NotFoundError: none has, or several have.
        """
        with self._database.read() as connection:
            found = Deployment.from_json(get_by_prefix(connection, table, "deployment", deployment_id))
            is_active = connection.execute(select(active).where(active.c.deployment_id == found.id)).first() is not None
        return msgspec.structs.replace(found, is_active=is_active)

    def history(self, endpoint: str, place: str | None = None) -> Sequence[Deployment]:
        """An endpoint's deployments, newest first; `is_active` says which ones still are."""
        statement = (
            select(table.c.record, active.c.deployment_id)
            .outerjoin(active, active.c.deployment_id == table.c.id)
            .where(table.c.endpoint == endpoint)
            .order_by(table.c.id.desc())
        )
        if place is not None:
            statement = statement.where(table.c.place == place)
        with self._database.read() as connection:
            rows = connection.execute(statement).all()
        return [
            msgspec.structs.replace(Deployment.from_json(row.record), is_active=row.deployment_id is not None)
            for row in rows
        ]

    def changes(self, endpoint: str, place: str | None = None) -> Sequence[DeploymentChange]:
        """What changed at an endpoint and why, oldest first."""
        statement = select(change.c.record).where(change.c.endpoint == endpoint).order_by(change.c.position)
        if place is not None:
            statement = statement.where(change.c.place == place)
        with self._database.read() as connection:
            return [DeploymentChange.from_json(record) for record in connection.execute(statement).scalars()]


def _is_slot(slot: dict[str, str]) -> list[ColumnElement[bool]]:
    return [active.c[name] == value for name, value in slot.items()]


def _conflict(connection: Connection, slot: dict[str, str], expected: str | None) -> ConflictError:
    now = connection.execute(select(active.c.deployment_id).where(*_is_slot(slot))).scalar()
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
    connection.execute(insert(change).values(**row))
