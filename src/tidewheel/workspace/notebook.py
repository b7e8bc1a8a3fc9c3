"""What `table`, `sql` and `champion` give outside of a pipeline: at once, from the workspace that was opened last."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidewheel.workspace.data import query as run_query
from tidewheel.workspace.data import read_table
from tidewheel.workspace.stores import Stores

if TYPE_CHECKING:
    import pyarrow as pa

    from tidewheel.model_package import Champion
    from tidewheel.table_store import TableReader


class NotebookReads:
    """The resolver of the pipeline's reads; see `tidewheel.pipeline.sources`."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores

    def table(self, name: str, *, as_of: str | None = None) -> TableReader:
        """A table's snapshot."""
        return read_table(self._stores, name, as_of=as_of)

    def sql(self, query: str, **parameters: Any) -> pa.Table:
        """A query's result."""
        return run_query(self._stores, query, parameters or None)

    def champion(self, model: str) -> Champion | None:
        """A model's champion with its package."""
        from tidewheel.model_package import Champion

        version = self._stores.aliases.get(model, "champion")
        if version is None:
            return None
        package = self._stores.artifacts.load(self._stores.models.get(model, version).package)
        return Champion(model, version, package)
