"""Commits that land: optimistic, repeated with jitter while other writers are first, never without looking again.

PyIceberg repeats a failed commit four times by itself and then gives up, which with four writers loses most of what
they append. Here every attempt loads the table anew and builds its change on what it finds, so that a check ("nobody
has ingested this file yet") holds at the moment of the commit. Data files are written once, before; only metadata is
made again.
"""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from pyiceberg.exceptions import CommitFailedException, CommitStateUnknownException, ValidationException
from pyiceberg.table import Table, TableProperties, Transaction
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.update import TableUpdate, _apply_table_update, _TableMetadataUpdateContext

from tidewheel.core.errors import ConflictError, StorageError

_PATIENCE_S = 120.0
_FIRST_WAIT_S = 0.01
_LONGEST_WAIT_S = 0.5

T = TypeVar("T")


class _Transaction(Transaction):
    """Puts the table as it will be together once for each change, where PyIceberg copies all of it at each look.

    With a hundred snapshots these copies are two thirds of the time of a commit. Nobody alters what they are given, and
    the catalog puts the result together by itself.
    """

    _seen: tuple[TableMetadata, tuple[TableUpdate, ...], TableMetadata] | None = None

    @property
    def table_metadata(self) -> TableMetadata:
        before, updates = self._table.metadata, self._updates
        if not updates:
            return before
        if self._seen is None or self._seen[0] is not before or self._seen[1] is not updates:
            after, context = before, _TableMetadataUpdateContext()
            for update in updates:
                after = _apply_table_update(update, after, context)
            self._seen = (before, updates, after)
        return self._seen[2]


def commit(load: Callable[[], Table], change: Callable[[Transaction], T], *, what: str) -> tuple[Table, T]:
    """Applies a change to the newest version of a table.

    Args:
        load: gives the table as it is now.
        change: stages the change; called once per attempt, it may look at the table and raise to give up.
        what: the operation, for errors.

    Returns:
        The table after the commit, and what `change` returned.

    Raises:
        ConflictError: other writers were first for two minutes; nothing of this change was applied.
        StorageError: the disk or the catalog refused.
    """
    deadline = time.monotonic() + _PATIENCE_S
    attempt = 0
    while True:
        with storage_errors(what):
            try:
                table = load()
                # In this copy only: the attempts are ours, since PyIceberg's would skip what `change` looks at.
                table.metadata.properties[TableProperties.COMMIT_NUM_RETRIES] = "0"
                transaction = _Transaction(table)
                result = change(transaction)
                return transaction.commit_transaction(), result
            except (CommitFailedException, ValidationException) as error:
                cause: Exception = error
            except Exception as error:
                if not (_is_busy(error) or _was_beaten(error)):
                    raise
                cause = error
        if time.monotonic() > deadline:
            raise ConflictError(
                f"{what}: other writers were first {attempt + 1} times; nothing was applied",
                next_step="run it again when fewer writers are at work on this table",
            ) from cause
        time.sleep(random.uniform(0, min(_FIRST_WAIT_S * 2**attempt, _LONGEST_WAIT_S)))
        attempt += 1


@contextmanager
def storage_errors(what: str) -> Iterator[None]:
    """Gives a full or read-only disk, or a broken catalog, the name of the operation that met it."""
    try:
        yield
    except StorageError:
        raise
    except CommitStateUnknownException as error:
        raise StorageError(
            f"{what}: the catalog did not say whether the commit landed",
            next_step="look at the table's snapshots before trying again",
        ) from error
    except OSError as error:
        raise StorageError(f"{what}: {error}", next_step="check free space and permissions of the warehouse") from error
    except Exception as error:
        origin = getattr(error, "orig", None)
        if isinstance(origin, sqlite3.Error) and not _is_busy(error):
            raise StorageError(
                f"{what}: the catalog says: {origin}", next_step="check free space and permissions of the warehouse"
            ) from error
        raise


def _was_beaten(error: BaseException) -> bool:
    """Whether the catalog found the table changed in a way that no requirement told: a commit to another branch."""
    text = str(error)
    return isinstance(error, ValueError) and (
        "older than last sequence number" in text or text.startswith("Snapshot with snapshot id")
    )


def _is_busy(error: BaseException) -> bool:
    """Whether SQLite refused because another process was writing; then nothing of the statement was applied."""
    origin = getattr(error, "orig", error)
    text = str(origin)
    return isinstance(origin, sqlite3.OperationalError) and ("locked" in text or "busy" in text)
