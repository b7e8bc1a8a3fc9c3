"""Turns what the database drivers raise in situations to be expected into errors that say what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from tidewheel.core.errors import ConflictError, ParameterError, StorageError

_SQLITE = {
    "SQLITE_FULL": ("the disk is full", "free some space; nothing of this write was kept"),
    "SQLITE_READONLY": ("the metadata database is read-only", "make the workspace writable for this user"),
    "SQLITE_PERM": ("the metadata database may not be accessed", "make the workspace writable for this user"),
    "SQLITE_AUTH": ("the metadata database may not be accessed", "make the workspace writable for this user"),
    "SQLITE_CANTOPEN": ("the metadata database cannot be opened", "check that its folder exists and is writable"),
    "SQLITE_IOERR": ("the disk did not read or write", "check free space and the disk's health, then try again"),
    "SQLITE_CORRUPT": ("the metadata database is damaged", "restore it from a backup"),
    "SQLITE_NOTADB": ("the file is no SQLite database", "point workspace.path to a folder of Tidewheel's own"),
    "SQLITE_BUSY": ("another process holds the metadata database", "see which one does, then try again"),
    "SQLITE_LOCKED": ("another process holds the metadata database", "see which one does, then try again"),
}

# Classes of SQLSTATE (PostgreSQL, appendix A).
_POSTGRESQL = {
    "53": ("the database server is out of disk, memory or connections", "free resources on the server, then try again"),
    "25": ("the database server accepts no writes", "connect to its primary"),
    "28": ("the database server refused the login", "check user and password in workspace.metadata_url"),
    "3D": ("the database does not exist", "create it, or correct workspace.metadata_url"),
    "42": ("the metadata database is not as this Tidewheel expects it", "check the rights of its user and its schema"),
}
_UNREACHABLE = ("the database server cannot be reached", "check workspace.metadata_url and that the server runs")


class DatabaseModule(Protocol):
    """The errors that PEP 249 has every driver name: `sqlite3` and `psycopg` are such modules."""

    @property
    def Error(self) -> type[Exception]:  # noqa: N802
        """All others are of this kind."""
        ...

    @property
    def OperationalError(self) -> type[Exception]:  # noqa: N802
        """The database could not do it."""
        ...

    @property
    def IntegrityError(self) -> type[Exception]:  # noqa: N802
        """A key or a reference forbids it."""
        ...

    @property
    def DataError(self) -> type[Exception]:  # noqa: N802
        """A value is none that a column can hold."""
        ...


@contextmanager
def storage_errors(where: str, module: DatabaseModule) -> Iterator[None]:
    """Translates the errors of a driver's module inside the block.

    Raises:
        StorageError: disk full, read-only, damaged, or the server is not reachable.
        ConflictError: the write contradicts a recorded fact.
        ParameterError: a value is one that the database cannot hold.
    """
    try:
        yield
    except module.IntegrityError as error:
        raise ConflictError(
            f"the write contradicts what is recorded: {_first_line(error)}",
            where=where,
            next_step="nothing was written; read the fact again",
        ) from error
    except module.DataError as error:
        raise ParameterError(
            f"a value cannot be stored: {_first_line(error)}",
            where=where,
            next_step="names hold no NUL characters, numbers fit 64 bits",
        ) from error
    except module.Error as error:
        known = _known(error, is_operational=isinstance(error, module.OperationalError))
        if known is None:
            raise
        raise StorageError(f"{known[0]}: {_first_line(error)}", where=where, next_step=known[1]) from error


def _known(error: Exception, *, is_operational: bool) -> tuple[str, str] | None:
    """What happened, and what to do, for what can be expected to happen."""
    # Each driver's errors carry the code of their database; SQLite's are also raised by sqlite3 itself, without one.
    name = getattr(error, "sqlite_errorname", "")
    if name:
        return next((text for code, text in _SQLITE.items() if name.startswith(code)), None)
    if not hasattr(error, "sqlstate"):
        return None
    known = _POSTGRESQL.get((error.sqlstate or "")[:2])
    return known or (_UNREACHABLE if is_operational else None)


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
