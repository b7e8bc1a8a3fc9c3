"""What every SQL engine promises: DuckDB on the workspace's own snapshots, and others that are asked over a network."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import pyarrow as pa

Parameters = Mapping[str, Any] | None
"""Values by the names that stand in a query after `$`."""


class SqlEngine(Protocol):
    """Answers one query at a time, as a stream.

    Guarantees of every engine:
        * Memory is bounded: batches are made, or come over the wire, as they are read, and a reader who is slow slows
          the engine down.
        * All rows or an error: a connection that breaks, a server that dies and a value that cannot be computed raise
          while the stream is read; a stream never ends early as if it were whole.
        * What was opened is closed when the block is left, however it is left; the next query has a connection of its
          own. An instance may be used by many threads at once.
        * Rows come in the order that `order by` asks for; without it in any.
        * No secret stands in an error, a record of the workspace, or the `repr` of an engine.
    """

    @property
    def name(self) -> str:
        """What the project calls it."""

    def stream(self, query: str, parameters: Parameters = None) -> AbstractContextManager[pa.RecordBatchReader]:
        """The result of one query, to be read inside the block.

        Args:
            query: in the engine's own SQL; `$name` stands for a parameter.
            parameters: their values.

        Raises:
            NotFoundError: the query names a table that the engine does not have.
            SchemaMismatchError: it names a column that its tables do not have.
            ParameterError: it is no query, lacks a parameter, or fails on a value.
            EngineError: the engine cannot be reached, refuses the user, or broke off.
            ConfigError: a variable that should hold a secret is not set.
            ArtifactMissingError, ArtifactCorruptError: a data file of the workspace is gone or damaged.
        """
