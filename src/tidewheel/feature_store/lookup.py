"""One kind of online lookup, prepared: which views, which features, how keys and values are stored."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from tidewheel.core.errors import ParameterError, SchemaMismatchError, suggest
from tidewheel.feature_store.stored_types import StoredColumn, reader_of, stored_key
from tidewheel.pipeline.feature_view import OnDemandDefinition

if TYPE_CHECKING:
    from tidewheel.feature_store.expression import OnDemand

KEYS_AT_ONCE = 500
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Any]).decode


class ViewFacts(msgspec.Struct, frozen=True):
    """What readers know of a materialized view.

    Attributes:
        view: its name.
        keys, features: its columns, in the order in which they are stored.
        ttl_us: microseconds for which a value counts; None for ever.
        description, owner: as declared.
        definition: digest of the definition that its values were made by.
    """

    view: str
    keys: list[StoredColumn]
    features: list[StoredColumn]
    ttl_us: int | None
    owner: str = ""
    description: str = ""
    definition: str = ""

    @property
    def feature_names(self) -> list[str]:
        """In order."""
        return [column.name for column in self.features]


class Lookup:
    """Looks up the same features again and again.

    Args:
        chosen: by view the wanted features, None for all, in the order of the answer.
        stored: the materialized views by name.
        on_demand: the others by name.
        generations: by view, where its values are.

    Raises:
        SchemaMismatchError: two views have a feature of the same name.
    """

    def __init__(
        self,
        chosen: Mapping[str, list[str] | None],
        stored: Mapping[str, ViewFacts],
        on_demand: Mapping[str, OnDemandDefinition],
        generations: Mapping[str, int],
    ) -> None:
        self._views = [
            StoredView(stored[view], generations[view], names) for view, names in chosen.items() if view in stored
        ]
        self._keys = {column.name for view in self._views for column in view.facts.keys}
        self._computed = [_prepared(on_demand[view]) for view in chosen if view not in stored]
        wanted = [
            name
            for view, names in chosen.items()
            for name in (names or (stored[view].feature_names if view in stored else on_demand[view].features))
        ]
        self._wanted = set(wanted)
        twice = sorted(name for name in self._wanted if wanted.count(name) > 1)
        if twice:
            raise SchemaMismatchError(
                f"two of the views have a feature {twice[0]!r}", next_step="ask for features by view:feature"
            )

    def get(
        self,
        connection: sqlite3.Connection,
        entities: Mapping[str, Sequence[Any]],
        request: Mapping[str, Sequence[Any]],
        at_us: int,
    ) -> dict[str, list[Any]] | None:
        """The answer, see `OnlineStore.get_online`; None when a view has another generation by now."""
        rows = self._count(entities)
        answer: dict[str, list[Any]] = {}
        for view in self._views:
            if not view.read(connection, entities, rows, at_us, answer):
                return None
        if not self._computed:
            return answer
        return self._compute(entities, request, rows, answer)

    def _count(self, entities: Mapping[str, Sequence[Any]]) -> int:
        for name, values in entities.items():
            if isinstance(values, str):  # whose letters would be looked up one by one
                raise ParameterError(
                    f"entity key {name!r} is one text, no list of values", next_step=f"give [{values!r}]"
                )
        counts = {len(values) for values in entities.values()}
        missing = sorted(self._keys - entities.keys())
        if missing:
            raise ParameterError(
                f"entity key {missing[0]!r} is missing", next_step=suggest(missing[0], entities, "key")
            )
        if len(counts) != 1:
            raise ParameterError("entity keys have different numbers of values" if counts else "there is no entity key")
        return counts.pop()

    def _compute(
        self,
        entities: Mapping[str, Sequence[Any]],
        request: Mapping[str, Sequence[Any]],
        rows: int,
        answer: dict[str, list[Any]],
    ) -> dict[str, list[Any]]:
        from tidewheel.feature_store.request_arrays import arrays_of, typed_arrays

        given = arrays_of({**entities, **request}, rows)
        columns = [column for view in self._views for column in view.facts.features]
        whole: dict[str, list[Any]] = {}
        for view in self._views:
            whole |= view.last
        features = typed_arrays(columns, whole)
        for computed in self._computed:
            found = computed.compute(given, features, rows)
            features |= found
            answer |= {name: column.to_pylist() for name, column in found.items() if name in self._wanted}
        return answer


class StoredView:
    """A materialized view in a lookup.

    Args:
        facts: what is known of it.
        generation: where its values are.
        names: the wanted features; None for all.

    Attributes:
        last: all features of the entities that were read last.
        newest: microseconds of the latest event or creation among their values, counting or not.
    """

    def __init__(self, facts: ViewFacts, generation: int, names: Collection[str] | None) -> None:
        self.facts = facts
        self.last: dict[str, list[Any]] = {}
        self.newest = -(2**63)
        self._generation = generation
        self._names = facts.feature_names
        self._wanted = set(self._names if names is None else names)
        self._readers = [(i, reader) for i, one in enumerate(facts.features) if (reader := reader_of(one.kind))]
        self._nothing = [None] * len(self._names)

    def read(
        self,
        connection: sqlite3.Connection,
        entities: Mapping[str, Sequence[Any]],
        rows: int,
        at_us: int,
        answer: dict[str, list[Any]],
    ) -> bool:
        """Adds the features of the entities; false when the view has another generation by now."""
        keys = self._encoded(entities, rows)
        found: dict[bytes, tuple[int, bytes]] = {}
        is_current, newest = True, -(2**63)
        for start in range(0, rows, KEYS_AT_ONCE):
            asked = keys[start : start + KEYS_AT_ONCE]
            result = connection.execute(_query(len(asked)), (self.facts.view, *asked)).fetchall()
            for generation, key, event, created, data in result:
                is_current = is_current and generation == self._generation
                newest = max(newest, event, created)
                found[key] = (event, data)
        if not is_current or (not found and not self._is_current(connection)):
            return False
        self.newest = newest
        ttl_us = self.facts.ttl_us
        oldest = -(2**63) if ttl_us is None else at_us - ttl_us
        nothing = self._nothing
        lines = []
        for key in keys:
            hit = found.get(key)
            lines.append(_decode(hit[1]) if hit is not None and oldest <= hit[0] <= at_us else nothing)
        columns = [list(column) for column in zip(*lines, strict=True)] or [[] for _ in nothing]
        for index, reader in self._readers:
            columns[index] = [None if value is None else reader(value) for value in columns[index]]
        self.last = dict(zip(self._names, columns, strict=True))
        answer |= {name: column for name, column in self.last.items() if name in self._wanted}
        return True

    def _encoded(self, entities: Mapping[str, Sequence[Any]], rows: int) -> list[bytes]:
        columns = [
            [None if value is None else stored_key(key, value, row) for row, value in enumerate(entities[key.name])]
            for key in self.facts.keys
        ]
        if len(columns) == 1:
            return [_encode((value,)) for value in columns[0]]
        return [_encode(key) for key in zip(*columns, strict=True)]

    def _is_current(self, connection: sqlite3.Connection) -> bool:
        row = connection.execute("select generation from current where view = ?", (self.facts.view,)).fetchone()
        return row is not None and row[0] == self._generation


def _prepared(definition: OnDemandDefinition) -> OnDemand:
    from tidewheel.feature_store.expression import OnDemand

    return OnDemand(definition)


_queries: dict[int, str] = {}


def _query(count: int) -> str:
    if count not in _queries:
        fits = "= ?" if count == 1 else f"in ({', '.join('?' * count)})"
        _queries[count] = (
            "select generation, key, event, created, data from value "
            f"where generation = (select generation from current where view = ?) and key {fits}"
        )
    return _queries[count]
