"""Registered versions in a workspace: found by what they rest on, shown, compared, and moved from state to state."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from tidewheel.core.errors import NotFoundError, ParameterError, ProtectedError, TidewheelError
from tidewheel.core.records import Event, ModelState, ModelVersion
from tidewheel.model_registry.search import MetricCondition, VersionFilter, sorted_by_metric
from tidewheel.workspace.cause import request_event
from tidewheel.workspace.champions import chosen_version, registry
from tidewheel.workspace.held_snapshots import tags_of
from tidewheel.workspace.model_comparison import VersionComparison, VersionDetails, compare
from tidewheel.workspace.operation import Operation, record_operation
from tidewheel.workspace.project import Project
from tidewheel.workspace.snapshot_artifact import snapshot_artifact
from tidewheel.workspace.stores import Stores


class Models:
    """What `tidewheel models` shows and does; `workspace.models` is one.

    Example of use: `workspace.models.find(metrics=["roc_auc > 0.7"], snapshot="flights")`
    """

    def __init__(self, stores: Stores, project: Project) -> None:
        self._stores = stores
        self._project = project

    def find(
        self,
        model: str | None = None,
        *,
        states: Sequence[ModelState] = (),
        metrics: Iterable[str] = (),
        parameters: Mapping[str, Any] | None = None,
        snapshot: str = "",
        commit: str = "",
        sort: str = "",
        ascending: bool = False,
    ) -> list[ModelVersion]:
        """The versions that meet all conditions, the newest first for each model.

        Args:
            model: only of this one.
            states: only in one of these; deleted ones are found only by naming that state.
            metrics: conditions such as `roc_auc > 0.7`.
            parameters: values, or texts that say them.
            snapshot: rests on this data: `TABLE`, `TABLE@ID`, or the beginning of a content digest.
            commit: the beginning of its run's commit.
            sort: a metric, the largest first.
            ascending: the smallest first.

        Raises:
            NotFoundError: there is no such model, metric or parameter.
            ParameterError: a condition cannot be read.
        """
        versions = self._stores.models.list(model)
        if model is not None and not versions:
            raise self._absent(model)
        wanted = VersionFilter(
            states=tuple(states),
            metrics=[MetricCondition.parse(text) for text in metrics],
            parameters=parameters or {},
            snapshot=snapshot,
            commit=commit,
        )
        found = wanted.select(versions, self._commit_of)
        return sorted_by_metric(found, sort, ascending=ascending) if sort else found

    def aliases(self) -> dict[str, dict[str, int]]:
        """Where the aliases of each model point: `champion`, then those of one's own."""
        found: dict[str, dict[str, int]] = {}
        for (model, alias), version in sorted(
            self._stores.aliases.all().items(), key=lambda one: (one[0][1] != "champion", one[0])
        ):
            found.setdefault(model, {})[alias] = version
        return found

    def show(self, model: str, version: int | None = None) -> VersionDetails:
        """All that is recorded about a version, by default the champion, before the first one the newest.

        Raises:
            NotFoundError: there is no such model or version.
        """
        if not self._stores.models.list(model):
            raise self._absent(model)
        found = chosen_version(self._stores, model, version)
        run = self._stores.runs.find(found.run_id)
        pairs = self._stores.aliases.all().items()
        deployed = [one for one in self._stores.deployments.active() if one.model == model]
        return VersionDetails(
            version=found,
            aliases=tuple(alias for (name, alias), number in pairs if (name, number) == (model, found.version)),
            endpoints=tuple(f"{one.endpoint} in {one.place}" for one in deployed if one.version == found.version),
            commit=run.commit if run else "",
            is_dirty=bool(run and run.is_dirty),
            states=tuple(self._stores.models.history(model, found.version)),
            moves=tuple(
                move
                for move in self._stores.aliases.history(model)
                if found.version in (move.from_version, move.to_version)
            ),
        )

    def compare(self, model: str, versions: Sequence[int]) -> VersionComparison:
        """Versions side by side: state, metrics, parameters, data, code, environment and package.

        Raises:
            NotFoundError: there is no such version.
            ParameterError: there are not two versions at least.
        """
        if len(set(versions)) < 2:
            raise ParameterError("two versions at least are compared", next_step=f"see `tidewheel models {model}`")
        details = [self.show(model, one) for one in versions]
        return compare(self._stores, model, details)

    def set_state(self, model: str, version: int, state: ModelState, *, reason: str) -> ModelVersion:
        """Changes a version's state because a person says so.

        Raises:
            ProtectedError: it is the champion.
            ConflictError: no transition leads there.
            NotFoundError: there is no such version.
        """
        parameters = {"model": model, "version": version, "state": state, "reason": reason}
        with self._recorded("set state", parameters) as (event, operation):
            operation.inputs["package"] = self._stores.models.get(model, version).package
            return registry(self._stores).set_state(
                model, version, state, event_id=event.id, reason=reason, at=self._stores.clock.now()
            )

    def point(self, model: str, alias: str, version: int | None, *, reason: str = "on request") -> None:
        """Points an alias to a version, which is then not deleted; with None removes it.

        Raises:
            ParameterError: it is `champion`, which only promotion moves, or no name.
            NotFoundError: there is no such version, or no such alias to remove.
            ConflictError: someone else moved it at the same moment.
        """
        now = self._stores.aliases.get(model, alias)
        if version is None and now is None:
            known = [name for one, name in self._stores.aliases.all() if one == model]
            raise NotFoundError("alias", alias, known=known, where=f"model {model!r}")
        parameters = {"model": model, "alias": alias, "version": version, "reason": reason}
        with self._recorded("alias", parameters) as (event, _):
            registry(self._stores).point(
                model, alias, version, expected=now, event_id=event.id, reason=reason, at=self._stores.clock.now()
            )

    def delete(self, model: str, version: int, *, reason: str) -> ModelVersion:
        """Deletes a version's package; all that is recorded about it stays, and `why` still tells it.

        Raises:
            ProtectedError: it is the champion, deployed, or an alias points to it; nothing was changed.
            NotFoundError: there is no such version.
        """
        package = self._stores.models.get(model, version).package
        parameters = {"model": model, "version": version, "reason": reason}
        with self._recorded("delete", parameters) as (event, operation):
            operation.inputs["package"] = package
            return registry(self._stores).delete(
                model, version, event_id=event.id, reason=reason, at=self._stores.clock.now()
            )

    def untag(self, model: str, version: int, *, reason: str = "on request") -> list[str]:
        """Lets go of the snapshots that a deleted version was made from, which may then expire; `TABLE@ID` of each.

        A run that makes the same package again brings the version and its tags back, while the snapshots are there.

        Raises:
            ProtectedError: the version is not deleted; nothing was changed.
            NotFoundError: there is no such version.
        """
        found = self._stores.models.get(model, version)
        if found.state != "deleted":
            raise ProtectedError(
                f"{model} v{version} is {found.state}, and what it was made from stays with it",
                next_step=f"delete it first: `tidewheel models delete {model} {version} --reason ...`",
            )
        tags = tags_of(self._stores, found)
        if tags:
            parameters = {"model": model, "version": version, "reason": reason}
            with self._recorded("untag", parameters) as (_, operation):
                addresses = dict.fromkeys((table, number) for (table, _), number in tags.items())
                snapshots = [self._stores.tables.snapshot(table, id=number) for table, number in addresses]
                operation.inputs = {f"{one.table}@{one.snapshot_id}": snapshot_artifact(one) for one in snapshots}
                for table, tag in tags:
                    self._stores.tables.untag(table, tag)
        return sorted({f"{table}@{number}" for (table, _), number in tags.items()})

    @contextmanager
    def _recorded(self, name: str, parameters: Mapping[str, Any]) -> Iterator[tuple[Event, Operation]]:
        """An operation together with the event that asked for it."""
        event = request_event(self._stores, str(parameters["model"]), parameters)
        with record_operation(self._stores, name, parameters, event) as operation:
            yield event, operation

    def _absent(self, model: str) -> NotFoundError:
        """What is told of a model without versions: that it is declared, or which names there are."""
        try:
            declared = self._project.declared().models
        except TidewheelError:  # of a project that cannot be imported only what is registered is known
            declared = {}
        if model not in declared:
            return NotFoundError("model", model, known={*self._stores.models.models(), *declared})
        told = f"it is declared, but was never registered: `tidewheel run {declared[model].pipeline}` does that"
        return NotFoundError("version of model", model, next_step=told)

    def _commit_of(self, run_id: str) -> str:
        run = self._stores.runs.find(run_id)
        return run.commit if run else ""
