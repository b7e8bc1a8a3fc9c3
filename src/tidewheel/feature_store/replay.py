"""Served features once more: what the offline join gives for each logged request, beside what the model was given.

Training and serving agree where both give the same bits for the same entity and time. Views are joined as they were
known at the time of the request. An on-demand feature is computed from what the model was given, so that a difference
is told of the feature in which it arose, and not of those that follow from it.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

import msgspec
import pyarrow as pa

from tidewheel.core.errors import SchemaMismatchError
from tidewheel.feature_store.duckdb_view import POSITION, bind_view
from tidewheel.feature_store.expression import OnDemand
from tidewheel.feature_store.expression_functions import TYPES
from tidewheel.feature_store.logged_row import LoggedRow
from tidewheel.feature_store.pinned_plan import PinnedPlan
from tidewheel.feature_store.point_in_time import join
from tidewheel.feature_store.replay_explanation import Faults, as_logged, explain
from tidewheel.feature_store.replay_report import ReplayDifference, ReplayedFeature
from tidewheel.pipeline.feature_view import Definition, OnDemandDefinition, ViewDefinition
from tidewheel.table_store import TableReference
from tidewheel.table_store.duckdb_engine import open_snapshots

AT = "tidewheel at"
MOST_EXAMINED = 1_000
"""So many differences of a feature are looked at for an explanation."""
_EXAMPLES = 3
_INSTANT = pa.timestamp("us", tz="UTC")
_ABSENT = object()


class Replay:
    """Compares the rows of one version, a part at a time.

    Args:
        version: of the model; it is only told.
        definitions: the views that the version is served with, in the order of the join.
        inputs: the names of what the model takes.
        references: the snapshots that are history, by table.
        materialized: when views were brought online, in order, by name: to tell what was not yet online.

    Attributes:
        row_count: rows that were looked at.
        replayed_count: those of which every feature could be computed again.

    Raises:
        SchemaMismatchError: a column of a view vanished from its table.
    """

    def __init__(
        self,
        version: int,
        definitions: Sequence[Definition],
        inputs: Collection[str],
        references: Mapping[str, TableReference],
        *,
        materialized: Mapping[str, Sequence[datetime]] | None = None,
    ) -> None:
        plan = PinnedPlan(definitions, dict.fromkeys(inputs, ""))
        needs = plan.needs(frozenset())
        self.row_count = self.replayed_count = 0
        self._version = version
        self._references = references
        self._views = [
            _narrowed(view, needs.stored.get(view.digest, ()))
            for view in definitions
            if view.digest in needs.stored or view.name in needs.computed
        ]
        self._key_types = {
            view.name: _key_types(view, references) for view in self._views if isinstance(view, ViewDefinition)
        }
        self._tallies = {
            name: _Tally(view, name) for view in self._views for name in view.features if name in plan.wanted
        }
        self._materialized = materialized or {}

    def add(self, rows: Sequence[LoggedRow]) -> None:
        """Computes the features of rows again and compares them.

        Raises:
            SchemaMismatchError: what the log tells of a key or an input does not have its type.
        """
        offline: dict[str, _Column] = {}
        for view in self._views:
            if isinstance(view, OnDemandDefinition):
                offline |= self._computed(view, rows, offline)
            else:
                offline |= self._joined(view, rows)
        is_whole = [True] * len(rows)
        for name, tally in self._tallies.items():
            for index, (row, value) in enumerate(zip(rows, offline[name].values, strict=True)):
                if value is _ABSENT:
                    is_whole[index] = False
                else:
                    tally.add(row, value)
        self.row_count += len(rows)
        self.replayed_count += sum(is_whole)

    def features(self) -> list[ReplayedFeature]:
        """What was found, by view and feature, differences with their explanation."""
        return [tally.result(self._version, self._explanation(tally)) for tally in self._tallies.values()]

    def _joined(self, view: ViewDefinition, rows: Sequence[LoggedRow]) -> dict[str, _Column]:
        told = [index for index, row in enumerate(rows) if view.keys.keys() <= row.asked.keys()]
        spine = _keys_of([rows[index] for index in told], self._key_types[view.name], view.name)
        spine = spine.append_column(AT, pa.array([rows[index].at for index in told], _INSTANT))
        table, _ = join(spine, [view], self._references, event_time=AT, as_known=AT)
        return {name: _spread(table.column(name), told, len(rows)) for name in view.features}

    def _computed(
        self, view: OnDemandDefinition, rows: Sequence[LoggedRow], offline: Mapping[str, _Column]
    ) -> dict[str, _Column]:
        computation = OnDemand(view)
        used = {name: offline[name] for name in computation.columns if name in offline}
        values = {name: _as_given(name, column.values, rows) for name, column in used.items()}
        told = [
            index
            for index, row in enumerate(rows)
            if view.inputs.keys() <= row.asked.keys() and all(one[index] is not _ABSENT for one in values.values())
        ]
        where = f"on-demand view {view.name!r}"
        given = {
            name: _typed([rows[index].asked[name] for index in told], TYPES[kind], name, where)
            for name, kind in view.inputs.items()
        }
        features = {
            name: _typed([values[name][index] for index in told], column.type, name, where)
            for name, column in used.items()
        }
        found = computation.compute(given, features, len(told))
        return {name: _spread(column, told, len(rows)) for name, column in found.items()}

    def _explanation(self, tally: _Tally) -> str:
        if not tally.differences:
            return ""
        view, differences = tally.view, tally.differences
        pairs = [(one.served, one.offline) for one in differences]
        if isinstance(view, OnDemandDefinition):
            return explain(pairs, {})
        rows = [one.row for one in differences]
        keys = _keys_of(rows, self._key_types[view.name], view.name)
        faults = Faults(view, tally.feature, self._references, self._materialized.get(view.name, ()))
        return explain(pairs, faults.values(keys, [row.at for row in rows]))


class _Column(msgspec.Struct, frozen=True):
    """Values of all rows, `_ABSENT` where they cannot be computed, and the type in which they are computed with."""

    values: list[Any]
    type: Any


class _Difference(msgspec.Struct, frozen=True):
    row: LoggedRow
    served: Any
    offline: Any


class _Tally:
    """What is counted of one feature."""

    def __init__(self, view: Definition, feature: str) -> None:
        self.view = view
        self.feature = feature
        self.differences: list[_Difference] = []
        self._compared = self._different = 0
        self._largest: float | None = None

    def add(self, row: LoggedRow, offline: Any) -> None:
        served, offline = as_logged(row.inputs.get(self.feature)), as_logged(offline)
        self._compared += 1
        if _is_same(served, offline):
            return
        self._different += 1
        if isinstance(served, int | float) and isinstance(offline, int | float):
            self._largest = max(self._largest or 0.0, abs(float(served) - float(offline)))
        if len(self.differences) < MOST_EXAMINED:
            self.differences.append(_Difference(row, served, offline))

    def result(self, version: int, explanation: str) -> ReplayedFeature:
        return ReplayedFeature(
            version=version,
            view=self.view.name,
            feature=self.feature,
            compared=self._compared,
            different=self._different,
            largest=self._largest,
            explanation=explanation,
            examples=tuple(
                ReplayDifference(prediction_id=one.row.id, at=one.row.at, served=one.served, offline=one.offline)
                for one in self.differences[:_EXAMPLES]
            ),
        )


def _keys_of(rows: Sequence[LoggedRow], types: Mapping[str, Any], view: str) -> pa.Table:
    """The entity keys of rows that tell them, in the view's types."""
    where = f"feature view {view!r}"
    return pa.table(
        {name: _typed([row.asked[name] for row in rows], kind, name, where) for name, kind in types.items()}
    )


def _narrowed(view: Definition, names: Collection[str]) -> Definition:
    """A view with what is needed of it; an on-demand view is computed as a whole."""
    if isinstance(view, OnDemandDefinition):
        return view
    return msgspec.structs.replace(view, features={name: view.features[name] for name in names})


def _key_types(view: ViewDefinition, references: Mapping[str, TableReference]) -> dict[str, Any]:
    with open_snapshots({view.table: references[view.table]}, position=POSITION) as connection:
        return bind_view(connection, view, view.table).key_types


def _typed(values: Sequence[Any], kind: Any, name: str, where: str) -> Any:
    """Values of the log in a column's type; times, dates and decimals are texts there."""
    with suppress(pa.ArrowException, OverflowError):
        return pa.array(values, kind)
    try:
        return pa.array(values).cast(kind)
    except (pa.ArrowException, OverflowError) as error:
        raise SchemaMismatchError(
            f"{name!r} is {kind} now, and the prediction log has other values: {str(error).splitlines()[0]}",
            where=where,
            next_step="replay only requests of after the change: `--since`",
        ) from None


def _spread(column: Any, places: Sequence[int], row_count: int) -> _Column:
    values: list[Any] = [_ABSENT] * row_count
    for place, value in zip(places, column.to_pylist(), strict=True):
        values[place] = value
    return _Column(values, column.type)


def _as_given(name: str, offline: Sequence[Any], rows: Sequence[LoggedRow]) -> list[Any]:
    """A feature as the model was given it; what the log does not have, or has as null for NaN, as the join gives it."""
    return [
        value if name not in row.inputs or _is_same(as_logged(row.inputs[name]), as_logged(value)) else row.inputs[name]
        for row, value in zip(rows, offline, strict=True)
    ]


def _is_same(served: Any, offline: Any) -> bool:
    if served is None or offline is None or served is _ABSENT or offline is _ABSENT:
        return served is offline
    if isinstance(served, float) and isinstance(offline, float) and not served:
        return not offline and math.copysign(1, served) == math.copysign(1, offline)
    return bool(served == offline)
