"""With which views a version is served: those that its run joined and its model declares, exactly as they were then."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from tidewheel.core.errors import DefinitionError, DeploymentError, NotFoundError, TidewheelError
from tidewheel.core.records import ModelVersion
from tidewheel.feature_store.online_schema import FILE
from tidewheel.feature_store.pinned_plan import missing_features
from tidewheel.model_package import Signature
from tidewheel.model_registry.registry import CHAMPION
from tidewheel.pipeline import Plan
from tidewheel.pipeline.feature_view import Definition, ViewDefinition, read_definition
from tidewheel.workspace.stores import Stores

Meaning = dict[str, Any]
MATERIALIZE = "materialize"
"""The operation that brings a view online."""
KEPT = "@"
"""Between a view's name and the digest of its definition; no name that is declared has it."""


def served_definitions(plan: Plan, names: Sequence[str], model: str) -> tuple[Meaning, ...]:
    """The views of these names as the plan joins them, in its order.

    Raises:
        DefinitionError: the plan does not join one of them, or two of one name, or an on-demand view uses a feature of
            a view that is not among them.
    """
    joined: dict[str, Meaning] = {}
    problems = []
    for node in plan.nodes:
        for view in node.arguments["views"] if node.kind == "features" else ():
            if view["name"] in names and joined.setdefault(view["name"], view) != view:
                problems.append(f"two views {view['name']!r} are joined @ Model.features")
    told = f"joined are {', '.join(joined) or 'none'}"
    problems += [
        f"pipeline {plan.pipeline!r} does not join view {name!r} ({told}) @ Model.features[{index}]"
        for index, name in enumerate(names)
        if name not in joined
    ]
    if not problems:
        problems = [
            f"{told} @ Model.features" for told in missing_features(list(map(read_definition, joined.values())))
        ]
    if problems:
        raise DefinitionError(
            f"model {model!r} cannot be served with these features",
            problems,
            next_step="name views that the pipeline joins by `features.join`, with those that they use",
        )
    return tuple(joined.values())


def check_declared(plan: Plan, views: Sequence[Definition], model: str) -> None:
    """Looks before anything runs whether a model can be served with what it declares.

    Raises:
        DefinitionError: see `served_definitions`; or a view is joined by another definition than the declared one.
    """
    joined = {view["name"]: view for view in served_definitions(plan, [view.name for view in views], model)}
    problems = [
        f"the pipeline joins another view {view.name!r} than this @ Model.features[{index}]"
        for index, view in enumerate(views)
        if joined[view.name] != view.meaning()
    ]
    if problems:
        raise DefinitionError(f"model {model!r} cannot be served with these features", problems)


def check_online(version: ModelVersion, signature: Signature, online_path: Path) -> None:
    """Looks before a deployment whether the views of a version are online by its definitions.

    Raises:
        DeploymentError: they are not; with the next step.
    """
    from tidewheel.feature_store.pinned_views import PinnedViews

    definitions = [read_definition(one) for one in version.features]
    views = PinnedViews(online_path, definitions, {field.name: field.kind for field in signature.inputs})
    try:
        views.open()
    except TidewheelError as error:
        told = f"{version.model} v{version.version} looks features up: {error.what}"
        next_step = error.next_step
        if isinstance(error, NotFoundError):
            next_step = f"run `tidewheel features materialize --model {version.model} --version {version.version}`"
        raise DeploymentError(told, where=error.where or str(online_path), next_step=next_step) from error
    finally:
        views.close()


def online_path(stores: Stores) -> Path:
    """The file of a workspace's online store."""
    return stores.folder / FILE


def kept_views(
    stores: Stores, declared: Iterable[Definition], others: Iterable[ModelVersion] = ()
) -> dict[str, ViewDefinition]:
    """Views that models in production look up, and that are declared otherwise by now; by their names as kept."""
    used = [one.features for one in stores.deployments.active()]
    for model, alias in stores.aliases.all():
        if alias == CHAMPION:  # that before it too, to which a rollback goes
            moves = stores.aliases.history(model, alias)
            numbers = {one for move in moves[-1:] for one in (move.from_version, move.to_version) if one is not None}
            used += [stores.models.get(model, number).features for number in numbers]
    used += [one.features for one in others]
    now = {view.digest for view in declared}
    views = [read_definition(view) for features in used for view in features]
    return {
        name: msgspec.structs.replace(view, name=name)
        for view in views
        if isinstance(view, ViewDefinition) and view.digest not in now
        for name in [f"{view.name}{KEPT}{view.digest[:12]}"]
    }
