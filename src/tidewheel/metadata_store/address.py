"""The URL of a metadata database, read."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import parse_qsl, unquote

from tidewheel.core.errors import ParameterError, StorageError
from tidewheel.metadata_store.driver import Driver
from tidewheel.metadata_store.sqlite import Sqlite

_SQLITE = re.compile(r"sqlite(?:\+pysqlite)?://(?:/(?P<path>.*))?", re.DOTALL)
_POSTGRESQL = re.compile(
    r"""
    postgresql(?:\+psycopg)?://
    (?:(?P<user>[^:/@]*)(?::(?P<password>[^@]*))?@)?
    (?:\[(?P<ipv6>[^\]]+)\]|(?P<name>[^/:?@\[\]]*))
    (?::(?P<port>\d*))?
    (?:/(?P<dbname>[^?]*))?
    (?:\?(?P<query>.*))?
    """,
    re.VERBOSE | re.DOTALL,
)
_SECRET = re.compile(r"(?<=[?&])(\w*password)=[^&]*")


def find_driver(url: str, *, create: bool) -> Driver:
    """The driver for a URL; a SQLite file's folder is made when `create` allows it.

    Raises:
        ParameterError: the URL is of another database.
        StorageError: the file is missing or on a network file system, or the driver of PostgreSQL is missing.
    """
    if found := _SQLITE.fullmatch(url):
        path = found["path"]
        return Sqlite(url, None if path in (None, "", ":memory:") else Path(path), create=create)
    if found := _POSTGRESQL.fullmatch(url):
        try:
            from tidewheel.metadata_store.postgresql import Postgresql
        except ImportError as error:
            raise StorageError(
                f"PostgreSQL needs the package {error.name or 'psycopg'!r}",
                where="workspace.metadata_url",
                next_step="pip install 'tidewheel[postgresql]'",
            ) from None
        return Postgresql(hide_password(url), _keywords(found))
    raise ParameterError(
        "the metadata database's URL is neither SQLite nor PostgreSQL",
        where="workspace.metadata_url",
        next_step="write sqlite:///PATH or postgresql+psycopg://USER@HOST/DATABASE",
    )


def hide_password(url: str) -> str:
    """The URL of a PostgreSQL as it may be shown.

    Example:
        >>> hide_password("postgresql://ada:secret@db/facts?sslpassword=secret&port=1")
        'postgresql://ada:***@db/facts?sslpassword=***&port=1'
    """
    found = _POSTGRESQL.fullmatch(url)
    if found and found["password"] is not None:
        url = f"{url[: found.start('password')]}***{url[found.end('password') :]}"
    return _SECRET.sub(r"\1=***", url)


def _keywords(found: re.Match[str]) -> dict[str, str]:
    """What libpq calls the parts; a part that is said twice in the query is a list of hosts or ports."""
    parts = {
        "user": unquote(found["user"] or ""),
        "password": unquote(found["password"] or ""),
        "host": found["ipv6"] or found["name"],
        "port": found["port"] or "",
        "dbname": found["dbname"] or "",
    }
    keywords = {name: value for name, value in parts.items() if value}
    query: dict[str, list[str]] = {}
    for name, value in parse_qsl(found["query"] or "", keep_blank_values=True):
        query.setdefault(name, []).append(value)
    return keywords | {name: ",".join(values) for name, values in query.items()}
