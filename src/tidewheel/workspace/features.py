"""Features in a workspace: the declared views, joins on snapshots, the online store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tidewheel.core.errors import DefinitionError, DeploymentError, NotFoundError, TidewheelError
from tidewheel.core.records import ModelVersion
from tidewheel.pipeline import FeatureView, OnDemandView
from tidewheel.pipeline.feature_view import OnDemandDefinition, ViewDefinition, read_definition
from tidewheel.workspace.cause import request_event
from tidewheel.workspace.operation import record_operation
from tidewheel.workspace.project import Project
from tidewheel.workspace.served_features import KEPT, MATERIALIZE, check_online, kept_views, online_path
from tidewheel.workspace.snapshot_artifact import snapshot_artifact
from tidewheel.workspace.stores import Stores

if TYPE_CHECKING:
    import pyarrow as pa

    from tidewheel.feature_store import MaterializeResult, OnlineStore
    from tidewheel.feature_store.catalog import NearDuplicate
    from tidewheel.feature_store.lookup import ViewFacts
    from tidewheel.feature_store.replay_report import FeatureReplay
    from tidewheel.table_store import TableReference

Definition = ViewDefinition | OnDemandDefinition


class Features:
    """What `tidewheel features` shows and does; `workspace.features` is one.

    Example of use: `workspace.features.get_online(["weather"], {"origin": ["JFK", "LGA"]})`
    """

    def __init__(self, stores: Stores, project: Project) -> None:
        self._stores = stores
        self._project = project

    def views(self) -> dict[str, Definition]:
        """The views that the project declares, by name."""
        declared = self._project.declared()
        views: dict[str, Definition] = {**declared.feature_views, **declared.on_demand_views}
        return dict(sorted(views.items()))

    def find(self, view: object) -> Definition:
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
        known = self.views()
        if view not in known:
            raise NotFoundError("feature view", view, known=known)
        return known[view]

    def users(self) -> dict[str, list[str]]:
        """The models by view: those whose pipeline joins it, as planned with default parameters.

        A model whose pipeline has no such plan is left out.
        """
        users: dict[str, list[str]] = {}
        for model in self._project.declared().models.values():
            try:
                plan = self._project.plan(model.pipeline, {}, self._project.capture()).plan
            except TidewheelError:
                continue
            joins = [node for node in plan.nodes if node.kind == "features"] if plan else []
            for name in sorted({view["name"] for node in joins for view in node.arguments["views"]}):
                users.setdefault(name, []).append(model.name)
        return users

    def near_duplicates(self) -> list[NearDuplicate]:
        """Pairs of features that a person may take for each other."""
        from tidewheel.feature_store import near_duplicates

        return near_duplicates(list(self.views().values()))

    def search(self, text: str) -> list[str]:
        """The features that words are about, as `view:feature`, the best first."""
        from tidewheel.feature_store import search

        return search(self.views().values(), text)

    def join(
        self,
        spine: Any,
        views: Sequence[Any],
        *,
        event_time: str = "event_time",
        as_known: str | None = None,
        snapshots: Mapping[str, int] | None = None,
    ) -> pa.Table:
        """A spine with features; the report is in the schema's metadata under `tidewheel.features`.

        Raises:
            NotFoundError: a view, table or snapshot does not exist.
            SchemaMismatchError: a column is missing or does not fit.
        """
        from tidewheel.feature_store import join

        found = [self.find(view) for view in views]
        references = self._references(found, snapshots or {})
        table, report = join(spine, found, references, event_time=event_time, as_known=as_known)
        metadata = {**(table.schema.metadata or {}), b"tidewheel.features": report.to_json()}
        return table.replace_schema_metadata(metadata)

    def materialize(
        self,
        names: Sequence[str] = (),
        *,
        since: datetime | None = None,
        model: str | None = None,
        version: int | None = None,
    ) -> list[MaterializeResult]:
        """Brings the online store to the current snapshots; recorded as an operation per view.

        A view that was declared anew stays online beside it as `NAME@DIGEST`, as it was when a model was trained that
        is deployed, the champion, or the champion before.

        Args:
            names: of feature views; all when empty.
            since: leaves out earlier events.
            model, version: whose views are kept online too, although it is none of those.

        Raises:
            NotFoundError: no view of a name is declared, or there is no such version.
            SchemaMismatchError: a view does not fit its table; the views before it are materialized.
        """
        from tidewheel.feature_store import put_on_demand
        from tidewheel.feature_store.generation import forget
        from tidewheel.feature_store.online_schema import connect

        known = self.views()
        chosen = [self.find(name) for name in names] or list(known.values())
        others = [self._stores.models.get(model, version)] if model is not None and version is not None else []
        kept = kept_views(self._stores, known.values(), others)
        with closing(connect(self.online_path)) as connection:
            put_on_demand(connection, [one for one in known.values() if isinstance(one, OnDemandDefinition)])
            # Those that are kept come first: an endpoint that reads one finds it before it is declared anew.
            wanted = [*kept.values(), *(view for view in chosen if isinstance(view, ViewDefinition))]
            results = [self._materialize(view, since) for view in wanted]
            online = [name for name in self.online_views() if KEPT in name and name not in kept]
            if not names:
                forget(connection, online)
        return results

    def bring_online(self, version: ModelVersion) -> list[MaterializeResult]:
        """Materializes what a version looks up and is not online by its definitions; nothing where all is.

        Definitions that are declared otherwise by now come online as `NAME@DIGEST`, and what models in production look
        up by the same name stays beside them.

        Raises:
            DeploymentError: features are online, but of types that the model does not take.
            SchemaMismatchError: a view does not fit its table; the views before it are materialized.
        """
        if not version.features:
            return []
        try:
            check_online(version, self._stores.artifacts.load(version.package).signature, self.online_path)
            return []
        except DeploymentError as error:
            if not isinstance(error.__cause__, NotFoundError):
                raise
        known = self.views().values()
        needed = [view for view in map(read_definition, version.features) if isinstance(view, ViewDefinition)]
        names, digests = {view.name for view in needed}, {view.digest for view in needed}
        kept = kept_views(self._stores, known, [version])
        wanted = [view for name, view in kept.items() if name.partition(KEPT)[0] in names]
        wanted += [view for view in known if isinstance(view, ViewDefinition) and view.digest in digests]
        return [self._materialize(view, None) for view in wanted]

    def get_online(
        self,
        features: Sequence[str],
        entities: Mapping[str, Sequence[Any]],
        *,
        request: Mapping[str, Sequence[Any]] | None = None,
        at: datetime | None = None,
    ) -> dict[str, list[Any]]:
        """The newest features of many entities; see `OnlineStore.get_online`."""
        moment = at if at is not None else self._stores.clock.now()
        return self._online.get_online(features, entities, request=request, at=moment)

    def replay(self, model: str, *, since: datetime | None = None, until: datetime | None = None) -> FeatureReplay:
        """Computes the features that a model was given again, offline, from its prediction log, and compares the bits.

        Each logged request is a row of a spine, joined as training joins: as known at its time, by the definitions of
        the version that answered, on the tables as they are now. What a request brought itself is compared too where
        it told the view's entity keys. Answers are collected first; recorded as an operation.

        Args:
            model: its name.
            since, until: half open window, by the time of the requests.

        Raises:
            NotFoundError: there is no such model.
            SchemaMismatchError: a view's column vanished from its table.
        """
        from tidewheel.workspace.feature_replay import replay_features

        return replay_features(self._stores, model, since=since, until=until)

    def online_views(self) -> dict[str, ViewFacts]:
        """What was materialized, by name."""
        return self._online.views() if self.online_path.exists() else {}

    @property
    def online_path(self) -> Path:
        """The file of the online store."""
        return online_path(self._stores)

    @cached_property
    def _online(self) -> OnlineStore:
        from tidewheel.feature_store import OnlineStore

        return OnlineStore(self.online_path)

    def close(self) -> None:
        """Closes the online store if it was opened."""
        if "_online" in self.__dict__:
            self._online.close()
            del self.__dict__["_online"]

    def _materialize(self, view: ViewDefinition, since: datetime | None) -> MaterializeResult:
        from tidewheel.feature_store import materialize

        stores = self._stores
        parameters = {"view": view.name, "since": since.isoformat() if since else None}
        event = request_event(stores, MATERIALIZE, parameters)
        with record_operation(stores, MATERIALIZE, parameters, event) as operation:
            snapshot = stores.tables.snapshot(view.table)
            stores.snapshots.put(snapshot)
            operation.inputs["table"] = snapshot_artifact(snapshot)
            reference = stores.tables.reference(snapshot)
            result = materialize(self.online_path, view, reference, since=since, until=stores.clock.now())
            operation.metrics = {"rows": result.rows, "files": result.files, "files_skipped": result.files_skipped}
        return result

    def _references(self, views: Sequence[Definition], snapshots: Mapping[str, int]) -> dict[str, TableReference]:
        tables = sorted({view.table for view in views if isinstance(view, ViewDefinition)})
        for name in snapshots:
            if name not in tables:
                raise NotFoundError("table", name, known=tables, where="features.join, snapshots")
        store = self._stores.tables
        found = {name: store.snapshot(name, id=snapshots.get(name)) for name in tables}
        return {name: store.reference(snapshot) for name, snapshot in found.items()}
