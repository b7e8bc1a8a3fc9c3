"""Aliases: which version of a model is the champion, and who said so."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from tidewheel.core.clock import utc_now
from tidewheel.core.errors import ConflictError, NotFoundError
from tidewheel.core.records import ModelState
from tidewheel.core.records.record import Record
from tidewheel.metadata_store.connection import Connection
from tidewheel.metadata_store.database import Database
from tidewheel.metadata_store.model import StateChange, change_state, hold_version
from tidewheel.metadata_store.statements import insert, insert_new, where

_CURRENT = "SELECT version FROM model_alias WHERE model = :model AND alias = :alias"
_SWAP = """
    UPDATE model_alias SET version = :to_version
    WHERE model = :model AND alias = :alias AND version = :expected
"""
_REMOVE = "DELETE FROM model_alias WHERE model = :model AND alias = :alias AND version = :expected"
_ALL = "SELECT model, alias, version FROM model_alias ORDER BY model, alias"
_VERSIONS = "SELECT version FROM model_version WHERE model = :model ORDER BY version"


class AliasMove(Record, frozen=True, kw_only=True):
    """One move of an alias.

    Attributes:
        from_version: where it pointed; None when it was not there. The pointer for rollback and re-scoring.
        to_version: where it points since; None when it was removed.
        event_id: the cause.
        reason: why, in one line.
        at, recorded_at: workspace clock; wall clock.
    """

    model: str
    alias: str
    from_version: int | None
    to_version: int | None
    event_id: str
    reason: str
    at: datetime
    recorded_at: datetime


class AliasStore:
    """Names such as `champion` that point to one version, moved by compare-and-swap only."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, model: str, alias: str) -> int | None:
        """The version that an alias points to; None before its first move."""
        with self._database.read() as connection:
            return _current(connection, model, alias)

    def move(
        self,
        model: str,
        alias: str,
        to_version: int,
        *,
        expected: int | None,
        event_id: str,
        reason: str,
        at: datetime,
        retires: str = "",
        refuses: Collection[ModelState] = (),
    ) -> AliasMove:
        """Points an alias to another version; on the disk when this returns.

        Atomic: of many that expect the same version exactly one succeeds, and the history is written with it.

        Args:
            model, alias: which.
            to_version: where to.
            expected: where it must point now; None when it must not exist.
            event_id: the cause.
            reason: why, in one line.
            at: workspace clock.
            retires: why the version that it leaves retires, in the same transaction; empty when that keeps its state.
            refuses: states in which the version does not become what the alias says; looked at in the same transaction.

        Raises:
            ConflictError: it points elsewhere, or the version is deleted or in a state that is refused.
            NotFoundError: the model has no such version.
        """
        with self._database.write("decision") as connection:
            # In the order of their numbers: two that move between the same versions never wait for each other.
            both = sorted({to_version, expected if retires and expected else to_version})
            states = {one: hold_version(connection, model, one) for one in both}
            _check_version(connection, model, to_version, states[to_version])
            if states[to_version] in refuses:
                told = f"version {to_version} of model {model!r} has become {states[to_version]}"
                raise ConflictError(told, next_step="look at why, then decide again")
            if not _swap(connection, model, alias, expected, to_version):
                raise _conflict(connection, model, alias, expected)
            if retires and expected is not None and states[expected] != "retired":
                change_state(connection, model, expected, StateChange("retired", retires, event_id, at))
            return _append(connection, model, alias, expected, to_version, event_id, reason, at)

    def remove(self, model: str, alias: str, *, expected: int, event_id: str, reason: str, at: datetime) -> AliasMove:
        """Takes an alias away that points to the expected version; on the disk when this returns, history included.

        Raises:
            ConflictError: it points elsewhere, or to nothing.
        """
        with self._database.write("decision") as connection:
            if not connection.execute(_REMOVE, model=model, alias=alias, expected=expected).rowcount:
                raise _conflict(connection, model, alias, expected)
            return _append(connection, model, alias, expected, None, event_id, reason, at)

    def history(self, model: str, alias: str | None = None) -> Sequence[AliasMove]:
        """The moves of a model's aliases, or of one of them, oldest first."""
        given = {"model": model, "alias": alias}
        conditions = where(given, "model = :model", "alias = :alias")
        sql = f"SELECT record FROM model_alias_move {conditions} ORDER BY position"
        with self._database.read() as connection:
            return [AliasMove.from_json(record) for record in connection.scalars(sql, **given)]

    def all(self) -> dict[tuple[str, str], int]:
        """Where every alias points, by model and alias."""
        with self._database.read() as connection:
            return {(model, alias): version for model, alias, version in connection.execute(_ALL)}


def _current(connection: Connection, model: str, alias: str) -> int | None:
    version: int | None = connection.scalar(_CURRENT, model=model, alias=alias)
    return version


def _swap(connection: Connection, model: str, alias: str, expected: int | None, to_version: int) -> bool:
    if expected is None:
        return insert_new(connection, "model_alias", {"model": model, "alias": alias, "version": to_version}) == 1
    done = connection.execute(_SWAP, model=model, alias=alias, expected=expected, to_version=to_version)
    return done.rowcount == 1


def _append(
    connection: Connection,
    model: str,
    alias: str,
    from_version: int | None,
    to_version: int | None,
    event_id: str,
    reason: str,
    at: datetime,
) -> AliasMove:
    move = AliasMove(
        model=model,
        alias=alias,
        from_version=from_version,
        to_version=to_version,
        event_id=event_id,
        reason=reason,
        at=at,
        recorded_at=utc_now(),
    )
    insert(connection, "model_alias_move", {"model": model, "alias": alias, "record": move.to_json().decode()})
    return move


def _conflict(connection: Connection, model: str, alias: str, expected: int | None) -> ConflictError:
    now = _current(connection, model, alias)
    return ConflictError(
        f"alias {alias!r} of model {model!r} points to {_name(now)}, not to {_name(expected)}",
        next_step="look at the new version, then decide again",
    )


def _check_version(connection: Connection, model: str, version: int, state: ModelState | None) -> None:
    if state == "deleted":
        raise ConflictError(
            f"version {version} of model {model!r} is deleted",
            next_step="choose another version; a run that makes the same package brings it back",
        )
    if state is None:
        versions = connection.scalars(_VERSIONS, model=model)
        known = ", ".join(str(number) for number in versions[-12:])
        raise NotFoundError(
            "version",
            str(version),
            where=f"model {model!r}",
            next_step=f"known: {known}" if known else "train it first",
        )


def _name(version: int | None) -> str:
    return "no version" if version is None else f"version {version}"
