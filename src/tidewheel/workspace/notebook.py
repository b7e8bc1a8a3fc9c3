"""What `table`, `sql`, `champion` and `reference` give outside of a pipeline: at once, from the last workspace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidewheel.workspace.data import read_table
from tidewheel.workspace.extraction import stream_query
from tidewheel.workspace.features import Features
from tidewheel.workspace.project import Project
from tidewheel.workspace.references import load_artifact, resolve_reference
from tidewheel.workspace.stores import Stores
from tidewheel.workspace.verdicts import trained_until

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

    from tidewheel.model_package import Champion
    from tidewheel.steps.reference import Reference
    from tidewheel.table_store import TableReader


class NotebookReads:
    """The resolver of the pipeline's reads; see `tidewheel.pipeline.sources`."""

    def __init__(self, stores: Stores, project: Project) -> None:
        self._stores = stores
        self._project = project

    def table(self, name: str, *, as_of: str | None = None) -> TableReader:
        """A table's snapshot."""
        return read_table(self._stores, name, as_of=as_of)

    def sql(self, query: str, *, engine: str | None = None, **parameters: Any) -> pa.Table:
        """A query's result."""
        with stream_query(self._stores, query, parameters or None, engine=engine) as reader:
            return reader.read_all()

    def join_features(
        self,
        spine: Any,
        views: Sequence[Any],
        *,
        event_time: str,
        as_known: str | None,
        snapshots: Mapping[str, int] | None,
    ) -> pa.Table:
        """A spine with features, from the current snapshots or those that are named."""
        features = Features(self._stores, self._project)
        return features.join(spine, views, event_time=event_time, as_known=as_known, snapshots=snapshots)

    def reference(self, table: str, *, model: str = "") -> Reference:
        """What a table's rows are held against, with the contract of today."""
        contracts = self._project.declared().contracts if self._stores.config.project.modules else {}
        artifact, _ = resolve_reference(self._stores, contracts, table, model, self._stores.clock.now())
        return load_artifact(self._stores, artifact)

    def champion(self, model: str) -> Champion | None:
        """A model's champion with its package."""
        from tidewheel.workspace.champion_package import load_champion

        version = self._stores.aliases.get(model, "champion")
        if version is None:
            return None
        package, until = self._stores.models.get(model, version).package, trained_until(self._stores, model, version)
        return load_champion(self._stores.artifacts, model, version, package, until)
