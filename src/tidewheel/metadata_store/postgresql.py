"""PostgreSQL by psycopg: facts that several machines share."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

import psycopg
from psycopg.conninfo import make_conninfo

from tidewheel.core.errors import ParameterError
from tidewheel.metadata_store.connection import Connection
from tidewheel.metadata_store.driver import Durability
from tidewheel.metadata_store.storage_errors import DatabaseModule

_SYNCHRONOUS_COMMIT = {"progress": "off", "decision": "on"}

# What is quoted, and the `::` of a cast, hold no parameter.
_TOKEN = re.compile(r"""'[^']*'|"[^"]*"|::|:(?P<name>[A-Za-z_]\w*)|%""")


class Postgresql:
    """One database of a server; connections begin no transaction by themselves.

    Args:
        where: the address as errors name it, without the password.
        keywords: what libpq calls connection parameters, such as `host` and `dbname`.

    Raises:
        ParameterError: a keyword is none of libpq's.
    """

    has_one_connection = False
    has_one_writer = False

    def __init__(self, where: str, keywords: Mapping[str, str]) -> None:
        self.where = where
        self.module: DatabaseModule = psycopg
        try:
            self._conninfo = make_conninfo(**keywords)
        except psycopg.ProgrammingError as error:
            raise ParameterError(
                f"the metadata database's URL is not understood: {str(error).strip()}",
                where="workspace.metadata_url",
                next_step="write postgresql+psycopg://USER@HOST/DATABASE",
            ) from None

    def connect(self) -> Connection:
        """Opens a connection."""
        return Connection(psycopg.connect(self._conninfo, autocommit=True), "postgresql", spell_parameters)

    def is_lost(self, connection: Connection) -> bool:
        """Whether the server closed the connection, as an answer has shown."""
        return bool(connection.raw.closed)

    def begin_read(self, connection: Connection) -> None:
        """Begins a transaction."""
        connection.raw.execute("BEGIN")

    def begin_write(self, connection: Connection, durability: Durability) -> None:
        """Begins a transaction, in the same message that says how long its commit waits."""
        connection.raw.execute(f"BEGIN; SET LOCAL synchronous_commit = {_SYNCHRONOUS_COMMIT[durability]}")


@lru_cache(maxsize=512)
def spell_parameters(sql: str) -> str:
    """The text with parameters as psycopg reads them, and its `%` made literal.

    Example:
        >>> spell_parameters("SELECT ':a', x::int FROM run WHERE id = :id AND x % 2 = 0")
        "SELECT ':a', x::int FROM run WHERE id = %(id)s AND x %% 2 = 0"
    """
    return _TOKEN.sub(lambda token: f"%({token['name']})s" if token["name"] else token[0].replace("%", "%%"), sql)
