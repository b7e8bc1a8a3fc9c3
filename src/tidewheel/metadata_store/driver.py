"""What differs between the two databases, beside the words of a few statements."""

from __future__ import annotations

from typing import Literal, Protocol

from tidewheel.metadata_store.connection import Connection
from tidewheel.metadata_store.storage_errors import DatabaseModule

Durability = Literal["progress", "decision"]
"""`progress` survives kill -9, `decision` a power cut too."""


class Driver(Protocol):
    """One database, reached through one library.

    Attributes:
        where: the address as errors name it, without a password.
        module: the library, whose errors `storage_errors` translates.
        has_one_connection: whether the data lives and dies with a single connection.
        has_one_writer: whether only one connection at a time can be inside `begin_write`.
    """

    where: str
    module: DatabaseModule
    has_one_connection: bool
    has_one_writer: bool

    def connect(self) -> Connection:
        """Opens a connection."""
        ...

    def is_lost(self, connection: Connection) -> bool:
        """Whether the other side is gone, so that another connection may do better."""
        ...

    def begin_read(self, connection: Connection) -> None:
        """Begins a transaction that reads."""
        ...

    def begin_write(self, connection: Connection, durability: Durability) -> None:
        """Begins a transaction that writes."""
        ...
