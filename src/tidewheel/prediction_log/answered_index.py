"""Which prediction ids were answered, and how: so that the log holds each once and a repeated one is answered alike.

One SQLite file beside the segments. A segment's rows enter it when the segment is closed, by whoever closes or moves
it, and before it is removed; the rows of the open segment are known to its writer alone. Ids are forgotten when they
are old, so the file does not grow with all that was ever answered.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from tidewheel.core.clock import utc_now
from tidewheel.core.errors import StorageError
from tidewheel.core.records import Outlier, Prediction
from tidewheel.core.write_ahead_log import use_write_ahead_log

FILE = "answered.db"
_TIMEOUT_S = 30.0
_MOST_VARIABLES = 500
_MOST_FORGOTTEN = 5_000  # in one transaction: a server that closes its segment waits for it
_COLUMNS = "id, version, package_digest, question, outputs, outliers"
_SCHEMA = """
create table if not exists answered (
    model text not null, id text not null, segment text not null, version integer not null,
    package_digest text not null, question blob not null, outputs blob not null, recorded_at integer not null,
    outliers blob, primary key (model, id)
) without rowid
"""
_BY_TIME = "create index if not exists answered_by_time on answered (recorded_at)"
_INSERT = """
insert or ignore into answered (model, id, segment, version, package_digest, question, outputs, recorded_at, outliers)
values (?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_OLDEST = f"""
delete from answered where (model, id) in (
    select model, id from answered where recorded_at < ? and segment not in (select value from json_each(?))
    order by recorded_at limit {_MOST_FORGOTTEN}
)
"""

_outliers = msgspec.json.Decoder(tuple[Outlier, ...])


class Answered(msgspec.Struct, frozen=True):
    """What was said about an id.

    Attributes:
        version, package_digest: by whom.
        question: digest of the row that was asked.
        outputs: by output name.
        outliers: what of the row was beyond limits.
    """

    version: int
    package_digest: str
    question: bytes
    outputs: dict[str, Any]
    outliers: tuple[Outlier, ...] = ()


def answered_of(prediction: Prediction) -> Answered:
    """What the index keeps of a prediction."""
    return Answered(
        prediction.version,
        prediction.package_digest,
        digest_question(prediction.asked or prediction.inputs),
        prediction.outputs,
        prediction.outliers,
    )


def digest_question(inputs: Mapping[str, Any]) -> bytes:
    """Equal rows have equal digests, 5 and 5.0 are equal.

    Example:
        >>> digest_question({"x": 5, "y": None}) == digest_question({"y": None, "x": 5.0})
        True
    """
    plain = {name: _plain(value) for name, value in sorted(inputs.items())}
    return hashlib.blake2b(msgspec.json.encode(plain), digest_size=16).digest()


def _plain(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            return str(value)
    return value


class AnsweredIndex:
    """The ids of one folder's segments; shared by processes, used by one thread.

    Args:
        folder: where the segments are.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._connection: sqlite3.Connection | None = None

    def add(self, segment: str, predictions: Sequence[Prediction]) -> list[bool]:
        """Enters a segment's rows, as one; doing it again changes nothing.

        Returns:
            For each row whether it is the first with its id; a row of an earlier segment keeps the id.

        Raises:
            StorageError: the file cannot be written or is damaged; nothing was entered.
        """
        values = [_row_of(one, segment) for one in predictions]
        seen: set[tuple[str, str]] = set()
        with self._open() as connection, connection:
            connection.execute("begin immediate")
            connection.executemany(_INSERT, values)
            owned = []
            for one in predictions:
                owner = connection.execute(
                    "select segment from answered where model = ? and id = ?", (one.model, one.id)
                ).fetchone()[0]
                owned.append(owner == segment and (one.model, one.id) not in seen)
                seen.add((one.model, one.id))
        return owned

    def find(self, model: str, ids: Sequence[str]) -> dict[str, Answered]:
        """The answers to those of the ids that were answered.

        Raises:
            StorageError: the file cannot be read or is damaged.
        """
        if not self._path.exists():
            return {}
        found: dict[str, Answered] = {}
        with self._open() as connection:
            for start in range(0, len(ids), _MOST_VARIABLES):
                part = ids[start : start + _MOST_VARIABLES]
                marks = ", ".join("?" * len(part))
                query = f"select {_COLUMNS} from answered where model = ? and id in ({marks})"
                for name, version, package, question, outputs, outliers in connection.execute(query, (model, *part)):
                    told = _outliers.decode(outliers) if outliers else ()
                    found[name] = Answered(version, package, question, msgspec.json.decode(outputs), told)
        return found

    def forget(self, before: datetime, *, but_of: Collection[str] = ()) -> int:
        """Removes the ids that were answered earlier, in transactions of milliseconds; returns their number.

        Killed in the middle it has removed some of them, the oldest first.

        Args:
            but_of: segments whose rows are kept all the same: one that the table does not hold yet owns its ids.

        Raises:
            StorageError: the file cannot be written or is damaged.
        """
        if not self._path.exists():
            return 0
        forgotten, kept = 0, msgspec.json.encode(sorted(but_of)).decode()
        with self._open() as connection:
            while (count := connection.execute(_OLDEST, (int(before.timestamp()), kept)).rowcount) > 0:
                forgotten += count
        return forgotten

    def close(self) -> None:
        """Lets go of the file; the index can be used again."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            if self._connection is None:  # kept: opening costs more than asking
                self._connection = self._connect()
            yield self._connection
        except (OSError, sqlite3.Error, msgspec.DecodeError) as error:
            with suppress(sqlite3.Error):
                self.close()
            raise StorageError(
                f"the index of answered predictions cannot be used: {error}",
                where=str(self._path),
                next_step="free some space; a damaged file may be removed, then its ids can be asked anew",
            ) from error

    def _connect(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(self._path, timeout=_TIMEOUT_S, isolation_level=None)
        try:
            use_write_ahead_log(connection, timeout_s=_TIMEOUT_S)
            connection.execute("pragma synchronous = normal")
            connection.execute(_SCHEMA)
            _add_column(connection, "recorded_at", f"integer not null default {int(utc_now().timestamp())}")
            _add_column(connection, "outliers", "blob")
            connection.execute(_BY_TIME)
        except sqlite3.Error:
            connection.close()
            raise
        return connection


def _add_column(connection: sqlite3.Connection, name: str, declaration: str) -> None:
    """Files of earlier versions lack columns. They say no time: what they hold counts as answered now, and is kept."""
    if _has_column(connection, name):
        return
    connection.execute("begin immediate")
    if not _has_column(connection, name):  # nobody was first
        connection.execute(f"alter table answered add column {name} {declaration}")
    connection.execute("commit")


def _has_column(connection: sqlite3.Connection, name: str) -> bool:
    return name in {row[1] for row in connection.execute("pragma table_info(answered)")}


def _row_of(prediction: Prediction, segment: str) -> tuple[Any, ...]:
    known = answered_of(prediction)
    answer = (known.version, known.package_digest, known.question, msgspec.json.encode(known.outputs))
    outliers = msgspec.json.encode(known.outliers) if known.outliers else None
    recorded_at = int(prediction.recorded_at.timestamp())
    return (prediction.model, prediction.id, segment, *answer, recorded_at, outliers)
