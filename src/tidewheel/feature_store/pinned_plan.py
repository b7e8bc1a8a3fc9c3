"""Which views must be asked, and what a request must bring, for the inputs of a model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from tidewheel.feature_store.lookup import StoredView, ViewFacts
from tidewheel.pipeline.feature_view import Definition, OnDemandDefinition, ViewDefinition

KINDS_OF_REQUESTS = 64
"""How many sets of features that requests bring themselves are kept prepared."""

_STORED_AS = {"float": "double", "integer": "bigint", "string": "text", "boolean": "boolean"}


class Needs(msgspec.Struct, frozen=True):
    """What one kind of request needs.

    Attributes:
        stored: features by the digest of their view's definition.
        computed: names of on-demand views, in order.
        asks: what the request must bring, with the views that take it.
    """

    stored: dict[str, list[str]]
    computed: list[str]
    asks: dict[str, list[str]]


class PinnedPlan:
    """The views that give inputs of a model, directly or by way of on-demand views.

    Args:
        definitions: in the order of the join.
        wanted: the model's inputs by name, with their kinds.

    Attributes:
        owners: the views by the wanted features that they give.
        stored: those that must be online.
    """

    def __init__(self, definitions: Sequence[Definition], wanted: Mapping[str, str]) -> None:
        self.wanted = dict(wanted)
        self.owners = {name: view.name for view in definitions for name in view.features if name in wanted}
        self._definitions = list(definitions)
        self._on_demand = {one.name: _prepared(one) for one in definitions if isinstance(one, OnDemandDefinition)}
        self.needs = lru_cache(KINDS_OF_REQUESTS)(self._needs)
        needed = self.needs(frozenset()).stored
        self.stored = [one for one in definitions if isinstance(one, ViewDefinition) and one.digest in needed]

    def given(self, columns: Iterable[str]) -> frozenset[str]:
        """The features that a request brings itself."""
        return frozenset(name for name in columns if name in self.owners)

    def inputs(self) -> dict[str, str]:
        """The declared types of what on-demand views take from a request."""
        computed = self.needs(frozenset()).computed
        return {name: kind for view in computed for name, kind in self._on_demand[view].definition.inputs.items()}

    def keys(self) -> dict[str, list[str]]:
        """The entity keys, with the views that they are keys of."""
        found: dict[str, list[str]] = {}
        for view in self.stored:
            for name in view.keys:
                found.setdefault(name, []).append(view.name)
        return found

    def compute(
        self, needs: Needs, views: Sequence[StoredView], columns: Mapping[str, Sequence[Any]], rows: int
    ) -> dict[str, list[Any]]:
        """The features of on-demand views, from what was looked up and what the request brings."""
        from tidewheel.feature_store.request_arrays import arrays_of, typed_arrays

        given = self.given(columns)
        features: dict[str, Any] = {}
        for view in views:
            features |= typed_arrays(view.facts.features, view.last)
        features |= self._explicit(given, columns)
        request = arrays_of({name: columns[name] for name in needs.asks}, rows)
        answer: dict[str, list[Any]] = {}
        for name in needs.computed:
            found = self._on_demand[name].compute(request, features, rows)
            fresh = {feature: column for feature, column in found.items() if feature not in given}
            features |= fresh
            answer |= {feature: column.to_pylist() for feature, column in fresh.items() if feature in self.wanted}
        return answer

    def computed_kinds(self, facts: Sequence[ViewFacts]) -> dict[str, str]:
        """The kinds of on-demand features: found by computing them of no row."""
        computed = self.needs(frozenset()).computed
        if not computed:  # then Arrow need not be imported
            return {}
        from tidewheel.feature_store.request_arrays import kind_of, typed_arrays

        features: dict[str, Any] = {}
        for one in facts:
            features |= typed_arrays(one.features, {name: [] for name in one.feature_names})
        kinds: dict[str, str] = {}
        for name in computed:
            view = self._on_demand[name]
            found = view.compute(_nothing(view.definition.inputs), features, 0)
            features |= found
            kinds |= {feature: kind_of(column.type) for feature, column in found.items()}
        return kinds

    def _needs(self, given: frozenset[str]) -> Needs:
        needed = self.wanted.keys() - given
        stored: dict[str, list[str]] = {}
        computed: list[str] = []
        asks: dict[str, list[str]] = {}
        for view in reversed(self._definitions):  # a view uses those before it
            names = [name for name in view.features if name in needed]
            if not names:
                continue
            if isinstance(view, OnDemandDefinition):
                computed.insert(0, view.name)
                needed |= self._on_demand[view.name].columns - view.inputs.keys() - given
            else:
                stored[view.digest] = names
            for name in view.inputs if isinstance(view, OnDemandDefinition) else view.keys:
                asks.setdefault(name, []).append(view.name)
        return Needs(dict(reversed(stored.items())), computed, asks)

    def _explicit(self, given: Iterable[str], columns: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
        from tidewheel.feature_store.request_arrays import typed_array

        used = {name for view in self._on_demand.values() for name in view.columns}
        return {name: typed_array(name, columns[name], _STORED_AS[self.wanted[name]]) for name in given if name in used}


def missing_features(definitions: Sequence[Definition]) -> list[str]:
    """What on-demand views use and none of the views before them gives, one line each."""
    problems, known = [], set[str]()
    for view in definitions:
        if isinstance(view, OnDemandDefinition):
            used = _prepared(view).columns - view.inputs.keys() - known
            problems += [f"on-demand view {view.name!r} uses {name!r}, which no view before it gives" for name in used]
        known |= view.features.keys()
    return sorted(problems)


def _nothing(inputs: Mapping[str, str]) -> dict[str, Any]:
    from tidewheel.feature_store.request_arrays import typed_array

    return {name: typed_array(name, [], kind) for name, kind in inputs.items()}


def _prepared(definition: OnDemandDefinition) -> Any:
    from tidewheel.feature_store.expression import OnDemand

    return OnDemand(definition)
