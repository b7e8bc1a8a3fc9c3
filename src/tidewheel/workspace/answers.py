"""Predictions and labels: ask an endpoint, collect its log, tell what was true."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from tidewheel.core.errors import NotFoundError, suggest
from tidewheel.core.records import ModelVersion
from tidewheel.feature_store.pinned_plan import PinnedPlan
from tidewheel.pipeline.feature_view import read_definition
from tidewheel.pipeline.features import JOIN_STEP
from tidewheel.workspace.cause import request_event
from tidewheel.workspace.champions import PLACE, endpoint_of, local_deployment
from tidewheel.workspace.operation import record_operation
from tidewheel.workspace.snapshot_artifact import snapshot_artifact
from tidewheel.workspace.stores import Stores


def predict(
    stores: Stores,
    model: str,
    columns: Mapping[str, Sequence[Any]],
    *,
    prediction_ids: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Asks over HTTP the endpoint of a model, or the endpoint of this name.

    Raises:
        NotFoundError: the model has no endpoint that answers.
        SchemaMismatchError: the endpoint refused a field.
    """
    from tidewheel.prediction_service.client import InferenceClient

    state = local_deployment(stores).state(endpoint_of(stores, model))
    if state is None or not state.is_alive:
        known = [one.endpoint for one in local_deployment(stores).list() if one.is_alive]
        near = suggest(model, known, "endpoint")
        raise NotFoundError("endpoint", model, next_step=f"{near}; else run `tidewheel deploy {model} --to {PLACE}`")
    at = stores.clock.now() if stores.config.workspace.clock == "virtual" else None
    with InferenceClient(state.url) as client:
        return client.predict(state.model, columns, prediction_ids=prediction_ids, at=at)


def example_rows(stores: Stores, version: ModelVersion, rows: int) -> list[dict[str, Any]]:
    """Rows to ask a version: from its package, and where views give features, keys from the rows of their join."""
    package = stores.artifacts.load(version.package)
    inputs: dict[str, Sequence[Any]] = package.examples.inputs
    if version.features:
        wanted = {field.name: field.kind for field in package.signature.inputs}
        plan = PinnedPlan([read_definition(one) for one in version.features], wanted)
        asked = plan.needs(frozenset()).asks
        inputs = {name: values for name, values in inputs.items() if name not in plan.owners and name not in asked}
        inputs |= _joined_rows(stores, version, list(asked), rows)
    # examples and joined rows are not equally many: as many as both have
    return [dict(zip(inputs, row, strict=True)) for row in islice(zip(*inputs.values(), strict=False), rows)]


def _joined_rows(stores: Stores, version: ModelVersion, names: list[str], rows: int) -> dict[str, list[Any]]:
    """The last rows, as JSON has them, that the version's run joined features to and that lack no such column."""
    for execution in stores.executions.list(version.run_id):
        joined = execution.outputs.get("output") if execution.step == JOIN_STEP else None
        table = stores.artifacts.load(joined) if joined is not None else None
        if table is not None and set(names) <= set(table.column_names):
            whole = table.select(names).drop_null()
            return msgspec.to_builtins(whole.slice(max(0, whole.num_rows - rows)).to_pydict())  # type: ignore[no-any-return]
    raise NotFoundError("joined features of run", version.run_id, next_step="run the model's pipeline again")


def add_labels(stores: Stores, files: Sequence[str | Path]) -> int:
    """Adds labels to the table `labels`, each file's content once; returns how many rows were added.

    Raises:
        SchemaMismatchError: a file lacks `prediction_id` or `label`, a label is no finite number, or two contradict.
    """
    from tidewheel.prediction_log.labels import add_labels as add

    parameters = {"files": [str(file) for file in files]}
    event = request_event(stores, "label", parameters)
    with record_operation(stores, "label", parameters, event) as operation:
        result = add(stores.tables, [Path(file) for file in files], at=stores.clock.now())
        if result.snapshot is not None:
            stores.snapshots.put(result.snapshot)
            operation.outputs["snapshot"] = snapshot_artifact(result.snapshot)
        operation.metrics = {"rows": result.rows}
    return result.rows


def collect_predictions(stores: Stores) -> int:
    """Moves the prediction log into the table `predictions`, each segment exactly once; returns the number of rows.

    Living endpoints close their segments first, so that what was answered before is among them. Prediction ids that
    are older than `serving.answered_days` are forgotten.
    """
    from tidewheel.prediction_log.move import forget_answered, move_segments
    from tidewheel.prediction_log.segments import closed_segments, recover

    folder = stores.folder / "prediction_log"
    if not folder.exists():
        return 0
    place = local_deployment(stores)
    for state in place.list():
        if state.is_alive:
            place.close_segments(state.endpoint)
    recover(folder)
    forget_answered(folder, days=stores.config.serving.answered_days)
    if not closed_segments(folder):
        return 0
    with record_operation(stores, "collect", {}, request_event(stores, "collect", {})) as operation:
        result = move_segments(folder, stores.tables, stores.segments)
        if result.snapshot is not None:
            stores.snapshots.put(result.snapshot)
            operation.outputs["snapshot"] = snapshot_artifact(result.snapshot)
        operation.metrics = {"rows": result.rows, "segments": len(result.segment_ids)}
    return result.rows
