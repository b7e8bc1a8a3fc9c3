"""Events: why something was started."""

from __future__ import annotations

from collections.abc import Sequence

from tidewheel.core.errors import ConflictError
from tidewheel.core.records import Event
from tidewheel.metadata_store.database import Database
from tidewheel.metadata_store.statements import Columns, find_record, get_by_prefix, insert_new, where

_ATTACH_RUN = """
    UPDATE event SET run_id = :run_id, is_pending = FALSE
    WHERE id = :id AND run_id = '' AND outcome = ''
"""
_CLOSE = "UPDATE event SET outcome = :outcome, is_pending = FALSE WHERE id = :id AND run_id = ''"
_STATE = "SELECT run_id, outcome FROM event WHERE id = :id"
_PENDING = "SELECT record FROM event WHERE is_pending = TRUE ORDER BY id"


class EventStore:
    """Firings of triggers, each at most once by its key, each starting at most one run."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, event: Event, *, is_pending: bool = True) -> tuple[Event, bool]:
        """Records an event, or finds the one that has its key. Atomic: of many writers of one key, one is first.

        Args:
            event: what fired.
            is_pending: whether a run is to be started for it; false for an operation that the caller does itself.

        Returns:
            The event that has the key, and whether it is this one.
        """
        row: Columns = {
            "id": event.id,
            "key": event.key,
            "subject": event.subject,
            "is_pending": is_pending,
            "run_id": "",
            "outcome": "",
            "record": event.to_json().decode(),
        }
        with self._database.write("decision") as connection:
            if insert_new(connection, "event", row):
                return event, True
            known = find_record(connection, "event", key=event.key)
        if known is None:
            raise ConflictError(f"event id {event.id} is taken by an event with another key")
        return Event.from_json(known), False

    def attach_run(self, event_id: str, run_id: str) -> None:
        """Says which run an event started, by compare-and-swap; saying the same again changes nothing.

        Raises:
            ConflictError: it has started another run, or was closed without one.
            NotFoundError: there is no such event.
        """
        with self._database.write() as connection:
            event_id = Event.from_json(get_by_prefix(connection, "event", "event", event_id)).id
            if connection.execute(_ATTACH_RUN, id=event_id, run_id=run_id).rowcount:
                return
            state = connection.first(_STATE, id=event_id)
            assert state is not None, "events are never deleted"
            started, outcome = state
            if started != run_id:
                done = f"has started run {started}" if started else f"was closed: {outcome}"
                raise ConflictError(f"event {event_id} {done}", next_step="an event starts at most one run")

    def close(self, event_id: str, outcome: str) -> None:
        """Says why a pending event starts no run, in one line; by compare-and-swap.

        Raises:
            ConflictError: it has started a run meanwhile.
        """
        with self._database.write() as connection:
            event_id = Event.from_json(get_by_prefix(connection, "event", "event", event_id)).id
            if not connection.execute(_CLOSE, id=event_id, outcome=outcome).rowcount:
                raise ConflictError(f"event {event_id} has started a run and cannot be closed without one")

    def run_of(self, event_id: str) -> str:
        """The id of the run that an event started; empty when none (yet)."""
        with self._database.read() as connection:
            return str(connection.scalar("SELECT run_id FROM event WHERE id = :id", id=event_id) or "")

    def outcome_of(self, event_id: str) -> str:
        """Why an event started no run; empty while it is pending or when it did."""
        with self._database.read() as connection:
            return str(connection.scalar("SELECT outcome FROM event WHERE id = :id", id=event_id) or "")

    def get(self, event_id: str) -> Event:
        """The event with this id, or with an id that begins so.

        Raises:
            NotFoundError: none has, or several have.
        """
        with self._database.read() as connection:
            return Event.from_json(get_by_prefix(connection, "event", "event", event_id))

    def find_by_key(self, key: str) -> Event | None:
        """The event with a key, if its trigger has fired."""
        with self._database.read() as connection:
            record = find_record(connection, "event", key=key)
        return None if record is None else Event.from_json(record)

    def list(self, subject: str | None = None, limit: int = 50) -> Sequence[Event]:
        """Events, newest first, of a pipeline, model or operation when given."""
        given = {"subject": subject}
        sql = f"SELECT record FROM event {where(given, 'subject = :subject')} ORDER BY id DESC LIMIT :limit"
        with self._database.read() as connection:
            return [Event.from_json(record) for record in connection.scalars(sql, **given, limit=limit)]

    def pending(self) -> Sequence[Event]:
        """Events that wait for their run, oldest first."""
        with self._database.read() as connection:
            return [Event.from_json(record) for record in connection.scalars(_PENDING)]
