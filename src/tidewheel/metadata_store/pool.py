"""Open connections, kept for the next transaction."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tidewheel.metadata_store.connection import Connection
from tidewheel.metadata_store.driver import Driver

_KEPT = 5


class Pool:
    """Lends connections to threads, as many as they ask for at once, and keeps the few used last."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._idle: list[Connection] = []
        self._kept = _KEPT
        self._lock = threading.Lock()

    @contextmanager
    def borrow(self, begin: Callable[[Connection], None]) -> Iterator[Connection]:
        """A connection on which `begin` was called; what it has not committed at the end is undone.

        A kept connection that the server closed meanwhile is replaced: `begin` is where that shows.
        """
        connection = self._begin(begin)
        try:
            yield connection
        finally:
            self._give_back(connection)

    def close(self) -> None:
        """Closes the connections that nobody uses, and from now on each one after its use."""
        with self._lock:
            idle, self._idle, self._kept = self._idle, [], 0
        for connection in idle:
            connection.close()

    def _begin(self, begin: Callable[[Connection], None]) -> Connection:
        while True:
            with self._lock:
                kept = self._idle.pop() if self._idle else None
            connection = kept or self._driver.connect()
            try:
                begin(connection)
            except BaseException:
                is_replaced = kept is not None and self._driver.is_lost(connection)
                self._give_back(connection)
                if not is_replaced:
                    raise
            else:
                return connection

    def _give_back(self, connection: Connection) -> None:
        try:
            connection.rollback()
        except self._driver.module.Error:
            # Whatever broke it was raised where it happened; closing undoes as well.
            connection.close()
            return
        with self._lock:
            is_kept = len(self._idle) < self._kept and not self._driver.is_lost(connection)
            if is_kept:
                self._idle.append(connection)
        if not is_kept:
            connection.close()
