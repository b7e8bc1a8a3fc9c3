"""Who answers: promotion, rollback, and bringing versions to endpoints."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tidewheel.core.clock import utc_now
from tidewheel.core.errors import NotFoundError
from tidewheel.core.identifier import new_id
from tidewheel.core.records import Deployment, EndpointState, Event, ModelVersion
from tidewheel.deployment import LocalDeployment
from tidewheel.model_registry import ModelRegistry
from tidewheel.pipeline.feature_view import read_definition
from tidewheel.workspace.operation import record_operation
from tidewheel.workspace.served_features import check_online, online_path
from tidewheel.workspace.stores import Stores
from tidewheel.workspace.verdicts import verdict_of

SERVER_MODULE = "tidewheel.prediction_service.server"
PLACE = "dev"


def registry(stores: Stores) -> ModelRegistry:
    """The registry on the workspace's stores."""
    return ModelRegistry(stores.models, stores.aliases, stores.artifacts)


def promote(
    stores: Stores, model: str, version: int, event: Event, *, reason: str, is_forced: bool = False
) -> ModelVersion:
    """Makes a version the champion, if the champion is still the one that its verdict compared it with.

    Raises:
        NotFoundError: no such version.
        ConflictError: another promotion was first, or the verdict is about another champion.
    """
    models = registry(stores)
    champion = models.champion(model)
    parameters = {"model": model, "version": version}
    with record_operation(stores, "promote", parameters, event) as operation:
        operation.inputs["package"] = stores.models.get(model, version).package
        return models.promote(
            model,
            version,
            expected=champion.version if champion else None,
            event_id=event.id,
            reason=reason,
            at=stores.clock.now(),
            verdict=verdict_of(stores, model, version),
            is_forced=is_forced,
        )


def newest_approved(model: str, versions: Sequence[ModelVersion]) -> int:
    """The newest of a model's versions that its gate approved.

    Raises:
        NotFoundError: there is none.
    """
    approved = [one.version for one in versions if one.state == "approved"]
    if not approved:
        newest = max(one.version for one in versions)
        told = f"`tidewheel models {model}` says why; `tidewheel promote {model} {newest} --force` takes it as it is"
        raise NotFoundError("approved version of model", model, next_step=told)
    return max(approved)


def chosen_version(stores: Stores, model: str, version: int | None) -> ModelVersion:
    """The version that is meant: the one named, else the champion, before the first one the newest.

    Raises:
        NotFoundError: there is no such model or version, or all its versions are deleted.
    """
    if version is not None:
        return stores.models.get(model, version)
    champion = registry(stores).champion(model)
    if champion is not None:
        return champion
    versions = stores.models.list(model)
    if not versions:
        raise NotFoundError("model", model, known=stores.models.models())
    newest = next((one for one in versions if one.state != "deleted"), None)
    if newest is None:
        told = f"its versions are all deleted; name one to see what is known of it: `tidewheel models {model}`"
        raise NotFoundError("version", "newest", where=f"model {model!r}", next_step=told)
    return newest


def cause_of(stores: Stores, version: ModelVersion) -> Event:
    """The event behind a version's present state: of the run that judged it last.

    Raises:
        NotFoundError: its record is missing.
    """
    judged = [change.event_id for change in stores.models.history(version.model, version.version) if change.event_id]
    return stores.events.get(judged[-1] if judged else stores.runs.get(version.run_id).event_id)


def roll_back(stores: Stores, model: str, event: Event, *, reason: str) -> ModelVersion:
    """Makes the champion before this one the champion again; the left version retires."""
    with record_operation(stores, "rollback", {"model": model}, event) as operation:
        version = registry(stores).roll_back(model, event_id=event.id, reason=reason, at=stores.clock.now())
        operation.inputs["package"] = version.package
    return version


def deploy(stores: Stores, model: str, endpoint: str, event: Event, *, version: int | None = None) -> EndpointState:
    """Writes the desired state of an endpoint and brings it about; the champion unless a version is named.

    Raises:
        NotFoundError: the model has no champion or no such version.
        DeploymentError: the server did not come up, or features that the version looks up are not online by the
            definitions that it was trained with; what answered before still does.
    """
    chosen = registry(stores).get(model, version) if version else registry(stores).champion(model)
    if chosen is None:
        raise NotFoundError(
            "champion of model", model, next_step=f"`tidewheel promote {model} VERSION`, or deploy with --version"
        )
    if chosen.features:
        check_online(chosen, stores.artifacts.load(chosen.package).signature, online_path(stores))
    active = stores.deployments.find_active(PLACE, endpoint)
    if active is not None and _is_same(active, chosen):
        return local_deployment(stores).reconcile(active)
    deployment = Deployment(
        id=new_id(),
        endpoint=endpoint,
        place=PLACE,
        model=model,
        version=chosen.version,
        package_digest=chosen.package.digest,
        event_id=event.id,
        features=chosen.features,
        at=stores.clock.now(),
        recorded_at=utc_now(),
    )
    parameters = {"model": model, "version": chosen.version, "endpoint": endpoint, "place": PLACE}
    if chosen.features:
        parameters["features"] = {view["name"]: read_definition(view).digest for view in chosen.features}
    with record_operation(stores, "deploy", parameters, event) as operation:
        operation.inputs["package"] = chosen.package
        stores.deployments.create(deployment, expected=active.id if active else None)
        return local_deployment(stores).reconcile(deployment)


def follow(
    stores: Stores, model: str, *, prepare: Callable[[ModelVersion], None] | None = None
) -> EndpointState | None:
    """Brings a champion to its endpoint that was promoted after the endpoint's deployment was decided.

    A promotion and what follows from it are two decisions; this is the second one, whoever was killed between them. A
    version that was deployed by name stays until the next promotion.

    Args:
        prepare: called with the champion before it is brought there.

    Raises:
        DeploymentError: the server did not come up; what answered before still does.
    """
    active = stores.deployments.find_active(PLACE, endpoint_of(stores, model))
    moves = stores.aliases.history(model, "champion")
    if active is None or not moves or moves[-1].to_version == active.version:
        return None
    if moves[-1].recorded_at < active.recorded_at:
        return None
    champion = registry(stores).champion(model)
    if prepare is not None and champion is not None:
        prepare(champion)
    return deploy(stores, model, active.endpoint, stores.events.get(moves[-1].event_id))


def _is_same(active: Deployment, chosen: ModelVersion) -> bool:
    return (active.package_digest, active.features) == (chosen.package.digest, chosen.features)


def endpoint_of(stores: Stores, name: str) -> str:
    """The endpoint that is meant: where the model of this name was deployed last, else the one of this name."""
    deployed = [one for one in stores.deployments.active(PLACE) if one.model == name]
    return max(deployed, key=lambda one: one.recorded_at).endpoint if deployed else name


def left_endpoints(stores: Stores) -> dict[str, str]:
    """Endpoints whose model was deployed to another one later: that one, by their names."""
    active = sorted(stores.deployments.active(PLACE), key=lambda one: one.recorded_at)
    newest = {one.model: one.endpoint for one in active}
    return {one.endpoint: newest[one.model] for one in active if one.endpoint != newest[one.model]}


def undeploy(stores: Stores, name: str, event: Event) -> str:
    """Takes an endpoint down, in the desired state first; returns its name.

    Args:
        name: the endpoint's; where there is none of this name, the model's that is deployed.

    Raises:
        NotFoundError: no endpoint of this name is deployed.
    """
    active = stores.deployments.find_active(PLACE, name)
    endpoint = active.endpoint if active else endpoint_of(stores, name)
    active = active or stores.deployments.find_active(PLACE, endpoint)
    if active is None:
        known = [one.endpoint for one in stores.deployments.active(PLACE)]
        raise NotFoundError("endpoint", endpoint, known=known)
    with record_operation(stores, "undeploy", {"endpoint": endpoint, "place": PLACE}, event):
        stores.deployments.take_down(active.id, event_id=event.id, reason="on request", at=stores.clock.now())
        local_deployment(stores).take_down(endpoint)
    return endpoint


def local_deployment(stores: Stores) -> LocalDeployment:
    """The place `dev`: servers of this machine."""
    return LocalDeployment(
        stores.folder / "endpoints",
        artifacts=stores.artifacts,
        serving=stores.config.serving,
        server_module=SERVER_MODULE,
        is_clock_virtual=stores.config.workspace.clock == "virtual",
    )
