"""The pipeline node `features` in a worker; light, since every worker of such a node imports it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tidewheel.pipeline.feature_view import read_definition

if TYPE_CHECKING:
    import pyarrow as pa

    from tidewheel.feature_store import JoinReport


def carry_out_join(
    inputs: Mapping[str, Any], arguments: Mapping[str, Any], *, threads: int
) -> tuple[pa.Table, JoinReport]:
    """The joined spine and what was found.

    Args:
        inputs: the `spine`, and a reader of each table as `table.NAME`.
        arguments: of the node.
        threads: how many DuckDB may use; the result does not depend on it.
    """
    from tidewheel.feature_store import join

    readers = {name.removeprefix("table."): one for name, one in inputs.items() if name != "spine"}
    return join(
        inputs["spine"],
        [read_definition(view) for view in arguments["views"]],
        {name: reader.reference for name, reader in readers.items()},
        event_time=arguments["event_time"],
        as_known=arguments["as_known"],
        threads=threads,
    )
