"""Arrow Flight SQL through ADBC: what Dremio and other engines speak.

Time travel is the engine's own SQL, such as Dremio's `select * from lake.flights at snapshot '5393090506354317772'`.
Options: https://arrow.apache.org/adbc/current/driver/flight_sql.html
"""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NoReturn

import pyarrow as pa

from tidewheel.core.config import EngineConfig
from tidewheel.core.errors import (
    ConfigError,
    EngineError,
    NotFoundError,
    ParameterError,
    SchemaMismatchError,
    TidewheelError,
)
from tidewheel.table_store.protocol import Parameters
from tidewheel.table_store.query_parameters import by_position

try:
    import adbc_driver_flightsql.dbapi as adbc_flight_sql
    import adbc_driver_manager as adbc
except ImportError as error:
    raise ConfigError(
        "engines of kind flight-sql need a driver that is not installed",
        (),
        next_step="pip install 'tidewheel[flight-sql]'",
    ) from error

_OPTION = "adbc.flight.sql"
_NO_TABLE = (
    re.compile(r"(?:Object|Table) '([^']+)' not found"),  # Dremio
    re.compile(r"Table with name (\S+) does not exist"),  # DuckDB
    re.compile(r"(?i)(?:table|relation) '?\"?([\w.]+)\"?'? (?:not found|does not exist)"),
)
_NO_COLUMN = (
    re.compile(r"Column '([^']+)' not found"),  # Dremio
    re.compile(r'Referenced column "([^"]+)" not found'),  # DuckDB
    re.compile(r"(?i)(?:column|field) '?\"?([\w.]+)\"?'? (?:not found|does not exist)"),
)
_Status = adbc.AdbcStatusCode


class FlightSqlEngine:
    """See `SqlEngine` for what it promises.

    Args:
        name: what the project calls it.
        config: `[engines.NAME]`.
        root: the project's folder, for certificates.
        environment: where secrets are; the process's by default. They are read for each query and kept nowhere.
    """

    def __init__(
        self, name: str, config: EngineConfig, *, root: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self._name = name
        self._config = config
        self._root = root
        self._environment = environment

    def __repr__(self) -> str:
        return f"FlightSqlEngine({self._name!r}, {self._config.url!r})"

    @property
    def name(self) -> str:
        """What the project calls it."""
        return self._name

    @contextmanager
    def stream(self, query: str, parameters: Parameters = None) -> Iterator[pa.RecordBatchReader]:
        """The result of one query over a connection of its own."""
        text, values = by_position(query, parameters or {})
        secrets = self._secrets()
        with ExitStack() as opened:
            try:
                connection = opened.enter_context(_closing(self._connect(secrets)))
                cursor = opened.enter_context(_closing(connection.cursor()))
                cursor.execute(text, values or None)
                reader = cursor.fetch_record_batch()
            except (adbc.Error, pa.ArrowException, OSError) as error:
                self._tell(error, secrets, query)
            yield pa.RecordBatchReader.from_batches(reader.schema, self._batches(reader, secrets, query))

    def _batches(
        self, reader: pa.RecordBatchReader, secrets: Mapping[str, str], query: str
    ) -> Iterator[pa.RecordBatch]:
        try:
            yield from reader
        except (adbc.Error, pa.ArrowException, OSError) as error:
            self._tell(error, secrets, query, is_streaming=True)

    def _secrets(self) -> dict[str, str]:
        variables = os.environ if self._environment is None else self._environment
        found = {}
        for key in ("password_variable", "token_variable"):
            variable = getattr(self._config, key)
            if variable and not variables.get(variable):
                raise ConfigError(
                    f"engine {self._name!r} needs the environment variable {variable}, which is not set",
                    (),
                    where=f"engines.{self._name}.{key}",
                    next_step=f"export {variable}=...",
                )
            if variable:
                found[key] = variables[variable]
        return found

    def _connect(self, secrets: Mapping[str, str]) -> Any:
        config = self._config
        database = {
            f"{_OPTION}.rpc.with_cookie_middleware": "true",
            f"{_OPTION}.rpc.timeout_seconds.query": str(config.timeout_s),
            **{f"{_OPTION}.rpc.call_header.{key.lower()}": value for key, value in config.headers.items()},
        }
        if "password_variable" in secrets:
            database |= {"username": config.user, "password": secrets["password_variable"]}
        if "token_variable" in secrets:
            database[f"{_OPTION}.authorization_header"] = f"Bearer {secrets['token_variable']}"
        if config.root_certificates:
            database[f"{_OPTION}.client_option.tls_root_certs"] = self._certificates()
        if config.host_name:
            database[f"{_OPTION}.client_option.tls_override_hostname"] = config.host_name
        session = {f"{_OPTION}.session.option.{key}": value for key, value in config.session.items()}
        return adbc_flight_sql.connect(config.url, database, session, autocommit=True)

    def _certificates(self) -> str:
        path = self._root / self._config.root_certificates
        try:
            return path.read_text(encoding="ascii")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"the certificates of engine {self._name!r} cannot be read: {error}",
                (),
                where=f"engines.{self._name}.root_certificates",
                next_step="name a PEM file",
            ) from None

    def _tell(
        self, error: Exception, secrets: Mapping[str, str], query: str, *, is_streaming: bool = False
    ) -> NoReturn:
        """Raises Tidewheel's error for a driver's. Its text is cleared of secrets, and so nothing is chained to it."""
        told = str(error)
        for secret in secrets.values():
            pair = base64.b64encode(f"{self._config.user}:{secret}".encode()).decode().rstrip("=")
            told = told.replace(pair, "***").replace(secret, "***")
        # A stream's errors have no code, but their text ends with gRPC's name of it.
        stands_for = _Status.INVALID_ARGUMENT if "(InvalidArgument;" in told else None
        status = getattr(error, "status_code", stands_for)
        raise self._translated(status, told.partition(". Detail:")[0], query, is_streaming) from None

    def _translated(self, status: Any, told: str, query: str, is_streaming: bool) -> TidewheelError:
        config, where = self._config, f"engine {self._name!r} at {self._config.url}"
        if status in (_Status.UNAUTHENTICATED, _Status.UNAUTHORIZED):
            who = f"user {config.user!r}" if config.user else "the token" if config.token_variable else "the connection"
            variable = config.password_variable or config.token_variable
            return EngineError(
                f"engine {self._name!r} refuses {who}: {told}",
                where=where,
                next_step=f"check the secret in ${variable}" if variable else "declare user or token_variable",
            )
        if is_streaming and status is not _Status.INVALID_ARGUMENT:
            return EngineError(
                f"engine {self._name!r} broke off in the middle of a result, which is given up: {told}",
                where=where,
                next_step="run it again",
            )
        if status in (_Status.IO, _Status.TIMEOUT, _Status.CANCELLED):
            return EngineError(
                f"engine {self._name!r} cannot be reached: {told}",
                where=where,
                next_step="check its address, certificate and timeout_s, and that it is up",
            )
        return _query_error(told, query, where)


@contextmanager
def _closing(opened: Any) -> Iterator[Any]:
    """Closes a cursor or connection; what the other end says to that, when it is gone, is of no interest."""
    try:
        yield opened
    finally:
        try:
            opened.close()
        except adbc.Error:
            opened._closed = True  # or it would try again when it is collected, and write to standard error


def _query_error(told: str, query: str, where: str) -> TidewheelError:
    place = f"{where}, query: {' '.join(query.split())[:120]}"
    for pattern in _NO_TABLE:
        if found := pattern.search(told):
            return NotFoundError("table", found[1], where=place, next_step="see which tables the engine has")
    for pattern in _NO_COLUMN:
        if found := pattern.search(told):
            return SchemaMismatchError(
                f"column {found[1]!r} does not exist", where=place, next_step="see which columns the table has"
            )
    return ParameterError(told, where=place, next_step="correct the query or its parameters")
