"""Features in a workspace: the declared views, joins on snapshots, the online store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tidewheel.core.errors import DefinitionError, NotFoundError
from tidewheel.pipeline import FeatureView, OnDemandView
from tidewheel.pipeline.feature_view import OnDemandDefinition, ViewDefinition
from tidewheel.workspace.project import Project
from tidewheel.workspace.stores import Stores

if TYPE_CHECKING:
    import pyarrow as pa

    from tidewheel.feature_store import JoinReport
    from tidewheel.table_store import TableReference

Definition = ViewDefinition | OnDemandDefinition


def definitions(project: Project) -> dict[str, Definition]:
    """The views that the project declares, by name."""
    declared = project.declared()
    return {**declared.feature_views, **declared.on_demand_views}


def find_view(project: Project, view: object) -> Definition:
    """A view as data, by its declaration or its name.

    Raises:
        NotFoundError: no view of this name is declared.
        DefinitionError: it is neither view nor name.
    """
    if isinstance(view, FeatureView | OnDemandView):
        return view.definition
    if isinstance(view, ViewDefinition | OnDemandDefinition):
        return view
    if not isinstance(view, str):
        raise DefinitionError(f"{view!r} is no feature view", (), next_step="give a FeatureView or its name")
    known = definitions(project)
    if view not in known:
        raise NotFoundError("feature view", view, known=known)
    return known[view]


def join_features(
    stores: Stores,
    spine: Any,
    views: Sequence[Definition],
    *,
    event_time: str,
    as_known: str | None,
    snapshots: Mapping[str, int] | None,
) -> pa.Table:
    """A spine with features; the report is in the schema's metadata under `tidewheel.features`.

    Raises:
        NotFoundError: a table or snapshot does not exist.
        SchemaMismatchError: a column is missing or does not fit.
    """
    from tidewheel.feature_store import join

    references = table_references(stores, views, snapshots)
    table, report = join(spine, views, references, event_time=event_time, as_known=as_known)
    return table.replace_schema_metadata({**(table.schema.metadata or {}), b"tidewheel.features": report.to_json()})


def carry_out_join(
    inputs: Mapping[str, Any], arguments: Mapping[str, Any], *, threads: int
) -> tuple[pa.Table, JoinReport]:
    """What the node `features` does in a worker.

    Args:
        inputs: the `spine`, and a reader of each table as `table.NAME`.
        arguments: of the node.
        threads: how many DuckDB may use; the result does not depend on it.
    """
    from tidewheel.feature_store import join

    readers = {name.removeprefix("table."): one for name, one in inputs.items() if name != "spine"}
    return join(
        inputs["spine"],
        [_definition(view) for view in arguments["views"]],
        {name: reader.reference for name, reader in readers.items()},
        event_time=arguments["event_time"],
        as_known=arguments["as_known"],
        threads=threads,
    )


def _definition(view: dict[str, Any]) -> Definition:
    return ViewDefinition.from_dict(view) if "table" in view else OnDemandDefinition.from_dict(view)


def table_references(
    stores: Stores, views: Sequence[Definition], snapshots: Mapping[str, int] | None = None
) -> dict[str, TableReference]:
    """The snapshots that views read: the named ones, else the current.

    Raises:
        NotFoundError: a table or snapshot does not exist, or no view reads a table of `snapshots`.
    """
    tables = tables_of(views)
    for name in snapshots or {}:
        if name not in tables:
            raise NotFoundError("table", name, known=tables, where="features.join, snapshots")
    found = {name: stores.tables.snapshot(name, id=(snapshots or {}).get(name)) for name in tables}
    return {name: stores.tables.reference(snapshot) for name, snapshot in found.items()}


def tables_of(views: Sequence[Definition]) -> list[str]:
    """The tables that views read, each once, sorted."""
    return sorted({view.table for view in views if isinstance(view, ViewDefinition)})
