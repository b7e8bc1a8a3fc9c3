"""Imports a project in a process of its own: what it declares, and the plan of one pipeline."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from tidewheel.core.errors import DefinitionError, NotFoundError, TidewheelError
from tidewheel.core.records import TableContract
from tidewheel.core.whole_file import write_whole
from tidewheel.pipeline import Contract, FeatureView, Model, OnDemandView, Pipeline, Plan
from tidewheel.source_repository import Closure, ProjectCode
from tidewheel.workspace.declaration import (
    ANSWER,
    Declared,
    DescribeAnswer,
    DescribeRequest,
    ModelDeclaration,
    PipelineDeclaration,
    Reported,
)
from tidewheel.workspace.failures import failure_of
from tidewheel.workspace.served_features import check_declared


def describe(folder: Path) -> int:
    """Answers the request in `folder`; the exit code is 0 when an answer was written, also one with an error."""
    request = DescribeRequest.find(folder)
    sys.path[:0] = request.import_roots
    try:
        answer = _answer(request)
    except TidewheelError as error:
        answer = DescribeAnswer(error=Reported.of(error))
    write_whole(folder / ANSWER, answer.to_json())
    return 0


def _answer(request: DescribeRequest) -> DescribeAnswer:
    pipelines, models, views = _import_declarations(request.modules)
    declared = Declared(
        pipelines={name: _declare_pipeline(pipeline) for name, pipeline in pipelines.items()},
        models={name: _declare_model(model) for name, model in models.items()},
        feature_views={name: view.definition for name, view in views.items() if isinstance(view, FeatureView)},
        on_demand_views={name: view.definition for name, view in views.items() if isinstance(view, OnDemandView)},
        contracts=_declare_contracts(request.modules),
    )
    if not request.pipeline:
        plans, closures = _plan_all(pipelines, models, request)
        return DescribeAnswer(declared=declared, plans=plans, closures=closures)
    pipeline = pipelines.get(request.pipeline)
    if pipeline is None:
        raise NotFoundError("pipeline", request.pipeline, known=pipelines)
    plan = _plan(pipeline, models, request.parameters)
    return DescribeAnswer(declared=declared, plan=plan, closures=_closures(plan, _code(request)))


def _plan(pipeline: Pipeline, models: dict[str, Model], parameters: Mapping[str, Any]) -> Plan:
    """The plan, with which all models of the pipeline can be served as they declare."""
    plan = pipeline.plan(**parameters)
    for model in models.values():
        if model.features and model.pipeline.name == plan.pipeline:
            check_declared(plan, [view.definition for view in model.features], model.name)
    return plan


def _plan_all(
    pipelines: dict[str, Pipeline], models: dict[str, Model], request: DescribeRequest
) -> tuple[dict[str, Plan], dict[str, Closure]]:
    plans: dict[str, Plan] = {}
    closures: dict[str, Closure] = {}
    code = _code(request)
    for name, pipeline in pipelines.items():
        with suppress(Exception):  # whoever asks for this one is told
            plan = _plan(pipeline, models, {})
            closures |= _closures(plan, code)
            plans[name] = plan
    return plans, closures


def _code(request: DescribeRequest) -> ProjectCode:
    return ProjectCode([Path(root) for root in request.import_roots])


def _closures(plan: Plan, code: ProjectCode) -> dict[str, Closure]:
    addresses = sorted({node.step for node in plan.nodes if node.kind == "step"})
    return {address: code.closure(address) for address in addresses if code.has_module(address.partition(":")[0])}


def _import_declarations(
    modules: tuple[str, ...],
) -> tuple[dict[str, Pipeline], dict[str, Model], dict[str, FeatureView | OnDemandView]]:
    pipelines: dict[str, Pipeline] = {}
    models: dict[str, Model] = {}
    views: dict[str, FeatureView | OnDemandView] = {}
    for name in modules:
        for value in vars(_import(name)).values():
            if isinstance(value, Pipeline):
                pipelines[value.name] = value
            elif isinstance(value, Model):
                if models.setdefault(value.name, value) is not value:
                    raise DefinitionError(f"two models are called {value.name!r}", (), where=f"module {name!r}")
                pipelines.setdefault(value.pipeline.name, value.pipeline)
            elif isinstance(value, FeatureView | OnDemandView) and views.setdefault(value.name, value) != value:
                raise DefinitionError(f"two feature views are called {value.name!r}", (), where=f"module {name!r}")
    _check_endpoints(models)
    return pipelines, models, views


def _check_endpoints(models: dict[str, Model]) -> None:
    """One endpoint serves one model, and a name means one endpoint: `tidewheel undeploy NAME` is never in doubt."""
    problems: list[str] = []
    owners: dict[str, str] = {}
    for name, model in models.items():
        endpoint = model.endpoint or name
        if endpoint in owners:
            problems.append(f"models {owners[endpoint]!r} and {name!r} have the endpoint {endpoint!r}")
        elif endpoint != name and endpoint in models:
            problems.append(f"endpoint {endpoint!r} of model {name!r} has the name of another model")
        owners.setdefault(endpoint, name)
    if problems:
        raise DefinitionError(
            "models get in each other's way", problems, next_step="give each its own name in Model(endpoint=...)"
        )


def _declare_contracts(modules: tuple[str, ...]) -> dict[str, TableContract]:
    contracts: dict[str, TableContract] = {}
    for module in modules:
        for name, value in vars(_import(module)).items():
            if not isinstance(value, Contract):
                continue
            # Pandera costs most of a second to import; who declares a contract has imported it anyway.
            from tidewheel.steps.pandera_contract import translate

            contract = translate(value, module=module, name=name)
            if contracts.setdefault(contract.table, contract).digest != contract.digest:
                raise DefinitionError(f"table {contract.table!r} has two contracts", (), where=f"module {module!r}")
    return contracts


def _import(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except TidewheelError:
        raise
    except BaseException as error:
        raise DefinitionError(
            f"module {name!r} cannot be imported: {type(error).__name__}: {error}",
            failure_of(error).traceback.rstrip().splitlines()[-6:],
            where="project.modules in tidewheel.toml",
            next_step="correct the module, or the list",
        ) from error


def _declare_pipeline(pipeline: Pipeline) -> PipelineDeclaration:
    return PipelineDeclaration(name=pipeline.name, address=pipeline.address, parameters=tuple(pipeline.parameters))


def _declare_model(model: Model) -> ModelDeclaration:
    return ModelDeclaration(
        name=model.name,
        pipeline=model.pipeline.name,
        package=model.package,
        verdict=model.verdict,
        metrics=model.metrics,
        monitors=tuple(monitor.to_dict() for monitor in model.monitors),
        triggers=tuple(trigger.to_dict() for trigger in model.triggers),
        endpoint=model.endpoint or model.name,
        features=tuple(view.name for view in model.features),
    )
