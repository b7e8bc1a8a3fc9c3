"""Signals: what monitors found."""

from __future__ import annotations

from collections.abc import Sequence

from tidewheel.core.errors import ConflictError
from tidewheel.core.records import Signal
from tidewheel.metadata_store.database import Database
from tidewheel.metadata_store.statements import find_record, get_by_prefix, insert_new, where


class SignalStore:
    """Looks of monitors at windows, each window once by its key."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, signal: Signal) -> tuple[Signal, bool]:
        """Records a signal, or finds the one that has its key. Atomic: of many writers of one key, one is first.

        Returns:
            The signal that has the key, and whether it is this one.
        """
        row = {"id": signal.id, "key": signal.key, "model": signal.model, "record": signal.to_json().decode()}
        with self._database.write() as connection:
            if insert_new(connection, "signal", row):
                return signal, True
            known = find_record(connection, "signal", key=signal.key)
        if known is None:
            raise ConflictError(f"signal id {signal.id} is taken by a signal with another key")
        return Signal.from_json(known), False

    def get(self, signal_id: str) -> Signal:
        """The signal with this id, or with an id that begins so.

        Raises:
            NotFoundError: none has, or several have.
        """
        with self._database.read() as connection:
            return Signal.from_json(get_by_prefix(connection, "signal", "signal", signal_id))

    def find_by_key(self, key: str) -> Signal | None:
        """The signal with a key, if the monitor has looked at its window."""
        with self._database.read() as connection:
            record = find_record(connection, "signal", key=key)
        return None if record is None else Signal.from_json(record)

    def list(self, model: str | None = None, limit: int = 50) -> Sequence[Signal]:
        """Signals, newest first, of a model when given."""
        given = {"model": model}
        sql = f"SELECT record FROM signal {where(given, 'model = :model')} ORDER BY id DESC LIMIT :limit"
        with self._database.read() as connection:
            return [Signal.from_json(record) for record in connection.scalars(sql, **given, limit=limit)]
