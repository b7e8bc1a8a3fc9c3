"""At a run's end: what a `Model` names of its outputs becomes a registered version, once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from tidewheel.core.errors import DefinitionError, TidewheelError
from tidewheel.core.records import Artifact, Execution, ModelState, ModelVersion, Run, Snapshot, Verdict
from tidewheel.model_package.package import CODEC
from tidewheel.model_registry import ModelRegistry
from tidewheel.pipeline import Plan
from tidewheel.workspace.declaration import ModelDeclaration
from tidewheel.workspace.held_snapshots import tables_read, tag_snapshots
from tidewheel.workspace.model_card import model_card
from tidewheel.workspace.served_features import served_definitions
from tidewheel.workspace.stores import Stores


def register_models(
    stores: Stores,
    models: Iterable[ModelDeclaration],
    plan: Plan,
    run: Run,
    executions: Mapping[str, Execution],
) -> list[ModelVersion]:
    """Registers the package of every model whose pipeline this is; a digest already registered gives that version.

    Such a version takes over the verdict of this run, which compares it with today's champion.

    The snapshots that the run read, those of references included, are tagged with the version's name, so that no
    expiry takes them.

    Raises:
        DefinitionError: the pipeline has no output of the declared name, or one that is no package.
    """
    return [_register(stores, model, plan, run, executions) for model in models if model.pipeline == plan.pipeline]


def _register(
    stores: Stores, model: ModelDeclaration, plan: Plan, run: Run, executions: Mapping[str, Execution]
) -> ModelVersion:
    package = _package(plan, executions, model)
    verdict_artifact = _output(plan, executions, model.verdict)
    state, reason = _state(stores, verdict_artifact)
    snapshots, at = _snapshots(stores, executions), stores.clock.now()
    registry = ModelRegistry(stores.models, stores.aliases, stores.artifacts)
    version, is_new = registry.register(
        model.name,
        package,
        run=run,
        metrics=_metrics(plan, executions, model.metrics),
        parameters=_parameters(plan, executions),
        snapshots=snapshots,
        verdict_digest=verdict_artifact.digest if verdict_artifact else "",
        state=state,
        reason=reason,
        at=at,
        features=served_definitions(plan, model.features, model.name),
    )
    if not is_new and verdict_artifact is not None:
        version = registry.judge_again(
            version, verdict_digest=verdict_artifact.digest, state=state, reason=reason, event_id=run.event_id, at=at
        )
    with suppress(TidewheelError):  # a version without its card is one; `tidewheel models card` says what is wrong
        model_card(stores, version, lambda: stores.events.get(run.event_id))
    # Also of a version that is known: a crash may have come before its tags, and its new verdict has rows of its own.
    tag_snapshots(stores, version, executions.values(), is_new=is_new)
    return version


def _package(plan: Plan, executions: Mapping[str, Execution], model: ModelDeclaration) -> Artifact:
    found = _output(plan, executions, model.package)
    if found is None:
        raise DefinitionError(
            f"pipeline {plan.pipeline!r} has no output {model.package!r}, which model {model.name!r} registers",
            (),
            next_step=f"return {{{model.package!r}: ...}} from the pipeline, or set Model(package=...)",
        )
    if found.codec != CODEC:
        raise DefinitionError(
            f"output {model.package!r} of pipeline {plan.pipeline!r}, which model {model.name!r} registers, "
            f"is no package but {found.type_name}",
            (),
            next_step="return what `model_packaging` or `package_model` gives, or set Model(package=...)",
        )
    return found


def _output(plan: Plan, executions: Mapping[str, Execution], name: str) -> Artifact | None:
    if name not in plan.outputs:
        return None
    node, output = plan.outputs[name]
    return executions[node].outputs[output]


def _parameters(plan: Plan, executions: Mapping[str, Execution]) -> dict[str, Any]:
    """Those of the pipeline, and those of each step under its name: two steps may call different things `label`."""
    steps = {f"{node}.{name}": value for node, one in executions.items() for name, value in one.parameters.items()}
    return steps | dict(plan.parameters)


def _metrics(plan: Plan, executions: Mapping[str, Execution], name: str) -> dict[str, float | None]:
    if name in plan.outputs:
        return executions[plan.outputs[name][0]].metrics
    return {key: value for one in executions.values() for key, value in one.metrics.items()}


def _state(stores: Stores, artifact: Artifact | None) -> tuple[ModelState, str]:
    if artifact is None:
        return "candidate", "no gate judged it"
    verdict: Verdict = stores.artifacts.load(artifact, as_type=Verdict)
    failed = [check.message or check.name for check in verdict.checks if not check.passed]
    if verdict.passed:
        return "approved", _passed(verdict)
    return "rejected", "; ".join(failed) or "the gate made no check"


def _passed(verdict: Verdict) -> str:
    """What was beaten, in words; the other checks are in the verdict."""
    beaten = [check.message for check in verdict.checks if check.name.startswith("better than")]
    number = len(verdict.checks)
    return "; ".join([*beaten, "its check passed" if number == 1 else f"all {number} checks passed"])


def _snapshots(stores: Stores, executions: Mapping[str, Execution]) -> tuple[Snapshot, ...]:
    found = sorted(tables_read(executions.values()))
    return tuple(stores.snapshots.get(table, snapshot_id) for table, snapshot_id in found)
