"""A model's served features, replayed from the prediction log: `tidewheel features replay`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec

from tidewheel.core.errors import NotFoundError
from tidewheel.core.records import ModelVersion, Outlier, Snapshot
from tidewheel.feature_store.logged_row import LoggedRow
from tidewheel.feature_store.replay_report import FeatureReplay
from tidewheel.pipeline.feature_view import ViewDefinition, read_definition
from tidewheel.workspace.answers import collect_predictions
from tidewheel.workspace.cause import request_event
from tidewheel.workspace.operation import Operation, record_operation
from tidewheel.workspace.served_features import KEPT, MATERIALIZE
from tidewheel.workspace.snapshot_artifact import snapshot_artifact
from tidewheel.workspace.stores import Stores

if TYPE_CHECKING:
    from tidewheel.feature_store.replay import Replay

OPERATION = "replay"
_PAGE = 500
_LOGGED = """
select prediction_id, version, inputs, asked, outliers, "at" from predictions
where model = $model and "at" >= coalesce($since, "at") and ("at" < $until or $until is null)
qualify row_number() over (partition by prediction_id order by recorded_at) = 1
order by "at", prediction_id
"""
_row = msgspec.json.Decoder(dict[str, Any])
_outliers = msgspec.json.Decoder(tuple[Outlier, ...])


def replay_features(
    stores: Stores, model: str, *, since: datetime | None = None, until: datetime | None = None
) -> FeatureReplay:
    """Computes what views gave to a model's requests again, on the tables as they are now; recorded as an operation.

    What endpoints have answered until now is collected first.

    Raises:
        NotFoundError: there is no such model.
        SchemaMismatchError: a view does not fit its table any more.
    """
    from tidewheel.prediction_log.move import TABLE

    versions = {one.version: one for one in stores.models.list(model)}
    if not versions:
        raise NotFoundError("model", model, known=stores.models.models())
    collect_predictions(stores)
    parameters = {"model": model, "since": _told(since), "until": _told(until)}
    with record_operation(stores, OPERATION, parameters, request_event(stores, OPERATION, parameters)) as operation:
        replays = _Replays(stores, versions, operation)
        if stores.tables.exists(TABLE):
            log = replays.read(TABLE)
            for version, rows in _logged(stores, log, model, since, until):
                replays.add(version, rows)
        report = replays.report(model, since, until)
        operation.outputs["report"] = stores.artifacts.put(report.to_dict())
        operation.metrics = {
            "rows": report.row_count,
            "replayed": report.replayed_count,
            "features_compared": len(report.features),
            "features_different": len(report.different),
        }
    return report


class _Replays:
    """One replay for each version that answered and is served with views, all on the same snapshots."""

    def __init__(self, stores: Stores, versions: Mapping[int, ModelVersion], operation: Operation) -> None:
        self._stores = stores
        self._operation = operation
        self._versions = versions
        self._replays: dict[int, Replay] = {}
        self.snapshots: dict[str, Snapshot] = {}

    def read(self, table: str) -> Snapshot:
        """The snapshot that a table has now, on record before it is read."""
        snapshot = self._stores.tables.snapshot(table)
        self._stores.snapshots.put(snapshot)
        self._operation.inputs[table] = snapshot_artifact(snapshot)
        return snapshot

    def add(self, version: int, rows: list[LoggedRow]) -> None:
        if version not in self._versions or not self._versions[version].features:
            return
        if version not in self._replays:
            self._replays[version] = self._replay(self._versions[version], rows[0])
        self._replays[version].add(rows)

    def report(self, model: str, since: datetime | None, until: datetime | None) -> FeatureReplay:
        replays = [self._replays[version] for version in sorted(self._replays)]
        return FeatureReplay(
            model=model,
            since=since,
            until=until,
            row_count=sum(one.row_count for one in replays),
            replayed_count=sum(one.replayed_count for one in replays),
            features=tuple(feature for one in replays for feature in one.features()),
            snapshots=tuple(f"{one.table}@{one.snapshot_id}" for one in self.snapshots.values()),
        )

    def _replay(self, version: ModelVersion, first: LoggedRow) -> Replay:
        from tidewheel.feature_store.replay import Replay

        definitions = [read_definition(view) for view in version.features]
        stored = [view for view in definitions if isinstance(view, ViewDefinition)]
        for view in stored:
            if view.table not in self.snapshots:
                self.snapshots[view.table] = self.read(view.table)
        references = {name: self._stores.tables.reference(one) for name, one in self.snapshots.items()}
        return Replay(version.version, definitions, first.inputs.keys(), references, materialized=self._materialized)

    @cached_property
    def _materialized(self) -> Mapping[str, Sequence[datetime]]:
        return _materialized(self._stores)


def _logged(
    stores: Stores, log: Snapshot, model: str, since: datetime | None, until: datetime | None
) -> Iterator[tuple[int, list[LoggedRow]]]:
    """The rows of the window, by version, in parts."""
    from tidewheel.table_store.duckdb_engine import stream_sql

    window = {"model": model, "since": since, "until": until}
    for batch in stream_sql(_LOGGED, {log.table: stores.tables.reference(log)}, parameters=window):
        by_version: dict[int, list[LoggedRow]] = {}
        for row in batch.to_pylist():
            by_version.setdefault(row["version"], []).append(_logged_row(row))
        yield from by_version.items()


def _logged_row(row: dict[str, Any]) -> LoggedRow:
    """A row of the log; what a limit clipped is what it was before, since no view gave the limit."""
    inputs = _row.decode(row["inputs"])
    for one in _outliers.decode(row["outliers"]) if row["outliers"] else ():
        if one.policy == "clip":
            inputs[one.column] = one.value
    asked = _row.decode(row["asked"]) if row["asked"] else inputs
    return LoggedRow(row["prediction_id"], row["at"].astimezone(UTC), inputs, asked)


def _materialized(stores: Stores) -> dict[str, list[datetime]]:
    """When views were brought online, by the workspace's clock and in order."""
    moments: dict[str, list[datetime]] = {}
    before: str | None = None
    while page := stores.runs.list(MATERIALIZE, "succeeded", _PAGE, before):
        for run in page:
            moments.setdefault(run.parameters["view"].partition(KEPT)[0], []).append(run.at)
        before = page[-1].id
    return {view: sorted(times) for view, times in moments.items()}


def _told(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
