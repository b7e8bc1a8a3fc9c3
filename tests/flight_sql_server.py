"""A real Arrow Flight SQL server over DuckDB: `python flight_sql_server.py [--tls CERT KEY] [--rows N]`.

It speaks what the ADBC driver uses: handshake with user and password or a bearer token, session options, statements and
prepared statements with parameters. It prints its port. Its tables are `flights` and, as `flights at snapshot '1'`, an
earlier version of it. A query with the comment `/* die */` ends the server in the middle of the result.
"""

from __future__ import annotations

import argparse
import base64
import itertools
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.flight as flight

USER, PASSWORD, TOKEN = "ada", "engine-secret", "token-secret"
ANY = b"type.googleapis.com/arrow.flight.protocol.sql."


def varint(number: int) -> bytes:
    out = bytearray()
    while True:
        number, low = number >> 7, number & 0x7F
        out.append(low | (0x80 if number else 0))
        if not number:
            return bytes(out)


def field(number: int, value: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(value)) + value


def fields(message: bytes) -> dict[int, bytes]:
    """The length-delimited fields of a Protobuf message: all that Flight SQL needs here."""
    found, at = {}, 0

    def read() -> int:
        nonlocal at
        number = shift = 0
        while True:
            byte, at = message[at], at + 1
            number |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                return number

    while at < len(message):
        key = read()
        length = read()
        if key & 7 == 2:
            found[key >> 3], at = message[at : at + length], at + length
    return found


def pack(name: str, value: bytes) -> bytes:
    return field(1, ANY + name.encode()) + field(2, value)


def unpack(message: bytes) -> tuple[str, dict[int, bytes]]:
    outer = fields(message)
    return outer[1].rpartition(b".")[2].decode(), fields(outer.get(2, b""))


class Session(flight.ServerMiddleware):
    def __init__(self, token: str) -> None:
        self.token = token

    def sending_headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.token}"}


class Guard(flight.ServerMiddlewareFactory):
    def start_call(self, info: object, headers: dict[str, list[str]]) -> Session:
        kind, _, value = next(iter(headers.get("authorization", [])), "").partition(" ")
        basic = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if not ((kind == "Basic" and value.rstrip("=") == basic.rstrip("=")) or (kind == "Bearer" and value == TOKEN)):
            raise flight.FlightUnauthenticatedError(f"invalid credentials: {value}")
        return Session(TOKEN)


class Handshake(flight.ServerAuthHandler):
    def authenticate(self, outgoing: object, incoming: object) -> None:
        """The middleware has looked already."""

    def is_valid(self, token: bytes) -> str:
        return ""


class Server(flight.FlightServerBase):
    def __init__(self, location: str, rows: int, **tls: object) -> None:
        super().__init__(location, auth_handler=Handshake(), middleware={"guard": Guard()}, **tls)
        self._database = duckdb.connect()
        self._database.execute(
            f"""create table flights as select i id, i % 7 carrier, i / 3 delay, 'x' || i % 100 origin
            from range({rows}) t(i); create table flights__1 as select * from flights limit 10"""
        )
        self._numbers = itertools.count(1)
        self._prepared: dict[bytes, tuple[str, list[object]]] = {}
        self.session: dict[str, str] = {}

    def _query(self, text: str, values: list[object] | None = None) -> duckdb.DuckDBPyRelation:
        text = re.sub(r"(\w+) at snapshot '(\d+)'", r"\1__\2", text, flags=re.IGNORECASE)
        text = text.replace("current_schema_option()", f"'{self.session.get('schema', '')}'")
        try:
            return self._database.cursor().sql(text, params=values or None)
        except duckdb.Error as error:
            raise pa.ArrowInvalid(str(error)) from None

    def _schema(self, text: str, values: list[object] | None = None) -> pa.Schema:
        return self._query(text, values).limit(0).to_arrow_table().schema

    def get_flight_info(self, context: object, descriptor: flight.FlightDescriptor) -> flight.FlightInfo:
        kind, parts = unpack(descriptor.command)
        text, values = self._prepared[parts[1]] if kind == "CommandPreparedStatementQuery" else (parts[1].decode(), [])
        ticket = str(next(self._numbers)).encode()
        self._prepared[ticket] = (text, values)
        endpoint = flight.FlightEndpoint(flight.Ticket(ticket), [])
        return flight.FlightInfo(self._schema(text, values), descriptor, [endpoint], -1, -1)

    def do_get(self, context: object, ticket: flight.Ticket) -> flight.FlightDataStream:
        text, values = self._prepared.pop(ticket.ticket)
        reader = self._query(text, values).to_arrow_reader(65_536)
        if "/* die */" in text:
            return flight.GeneratorStream(reader.schema, dying(reader))
        return flight.GeneratorStream(reader.schema, told(reader))

    def do_put(self, context: object, descriptor: object, reader: object, writer: object) -> None:
        _, parts = unpack(descriptor.command)
        text, _ = self._prepared[parts[1]]
        (row,) = reader.read_all().to_pylist()
        self._prepared[parts[1]] = (text, list(row.values()))

    def do_action(self, context: object, action: flight.Action) -> Iterator[bytes]:
        if action.type == "CreatePreparedStatement":
            _, parts = unpack(action.body.to_pybytes())
            handle, text = str(next(self._numbers)).encode(), parts[1].decode()
            self._prepared[handle] = (text, [])
            schema = b"" if "?" in text else self._schema(text).serialize().to_pybytes()
            yield pack("ActionCreatePreparedStatementResult", field(1, handle) + field(2, schema))
        elif action.type == "ClosePreparedStatement":
            self._prepared.pop(unpack(action.body.to_pybytes())[1][1], None)
        elif action.type == "SetSessionOptions":
            for name, value in re.findall(rb"\n.([a-z]+)\x12.\n.([a-z]+)", action.body.to_pybytes()):
                self.session[name.decode()] = value.decode()
            yield b""
        elif action.type == "CloseSession":
            yield b""
        else:
            raise NotImplementedError(action.type)


def told(reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    try:
        yield from reader
    except (OSError, pa.ArrowException) as error:
        raise pa.ArrowInvalid(str(error)) from None


def dying(reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    yield from itertools.islice(reader, 3)
    os._exit(9)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--tls", nargs=2)
    parser.add_argument("--rows", type=int, default=1000)
    given = parser.parse_args()
    tls = {}
    if given.tls:
        certificate, key = (Path(path).read_bytes() for path in given.tls)
        tls = {"tls_certificates": [(certificate, key)]}
    server = Server(f"grpc{'+tls' if tls else ''}://127.0.0.1:0", given.rows, **tls)
    sys.stdout.write(f"{server.port}\n")
    sys.stdout.flush()
    server.serve()


if __name__ == "__main__":
    main()
