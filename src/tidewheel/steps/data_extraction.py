"""Data extraction: what the pipeline node `sql("select ...")` does in a worker."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from tidewheel.table_store import TableReference, run_sql


def extract(
    query: str,
    references: Mapping[str, TableReference],
    parameters: Mapping[str, Any] | None = None,
    *,
    threads: int = 1,
) -> pa.Table:
    """The rows of a query over the snapshots that a run has pinned.

    Args:
        query: one `select` in DuckDB's SQL; `$name` stands for a parameter.
        references: the snapshots by the names that the query uses.
        parameters: by name.
        threads: one by default, with which equal inputs give equal bytes: sums are added up in one order, and rows come
            in that of `order by`, or without it as the engine meets them. With more threads only `order by` over a
            unique key keeps the order of groups and joins, and floating point sums may differ in the last bits.

    Raises:
        NotFoundError, SchemaMismatchError, ParameterError: see `run_sql`.
        ArtifactMissingError, ArtifactCorruptError: a data file is gone or damaged.
    """
    return run_sql(query, references, parameters=parameters, threads=threads)
