"""Turns what the database drivers raise in situations to be expected into errors that say what to do."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import exc

from tidewheel.core.errors import ConflictError, ParameterError, StorageError, TidewheelError

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


@contextmanager
def storage_errors(where: str) -> Iterator[None]:
    """Translates errors of SQLAlchemy and the drivers inside the block.

    Raises:
        StorageError: disk full, read-only, damaged, or the server is not reachable.
        ConflictError: the write contradicts a recorded fact.
        ParameterError: a value is one that the database cannot hold.
    """
    try:
        yield
    except exc.IntegrityError as error:
        raise ConflictError(
            f"the write contradicts what is recorded: {_first_line(error.orig)}",
            where=where,
            next_step="nothing was written; read the fact again",
        ) from error
    except exc.DataError as error:
        raise ParameterError(
            f"a value cannot be stored: {_first_line(error.orig)}",
            where=where,
            next_step="names hold no NUL characters, numbers fit 64 bits",
        ) from error
    except exc.DBAPIError as error:
        raise _storage_error(error, where) from error
    except exc.StatementError as error:
        if isinstance(error.orig, TidewheelError):
            raise error.orig from None
        raise


def _storage_error(error: exc.DBAPIError, where: str) -> Exception:
    origin = error.orig
    if isinstance(origin, sqlite3.Error):
        name = getattr(origin, "sqlite_errorname", "")
        known = next((text for code, text in _SQLITE.items() if name.startswith(code)), None)
    else:
        state = str(getattr(origin, "sqlstate", None) or "")
        known = _POSTGRESQL.get(state[:2])
        if known is None and isinstance(error, exc.OperationalError):
            known = ("the database server cannot be reached", "check workspace.metadata_url and that the server runs")
    if known is None:
        return error
    return StorageError(f"{known[0]}: {_first_line(origin)}", where=where, next_step=known[1])


def _first_line(origin: BaseException | None) -> str:
    return (str(origin).strip() or type(origin).__name__).splitlines()[0]
