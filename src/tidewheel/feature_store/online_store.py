"""Online lookups: the newest features of entities in one call, within tens of microseconds."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from tidewheel.core.clock import utc_now
from tidewheel.core.errors import NotFoundError, ParameterError
from tidewheel.feature_store.lookup import Lookup, ViewFacts
from tidewheel.feature_store.online_schema import connect
from tidewheel.feature_store.stored_types import micros_of
from tidewheel.pipeline.feature_view import OnDemandDefinition


class OnlineStore:
    """Reads what `materialize` has put there. To be used by one thread, and opened again after a fork.

    Args:
        path: the store's file; it may be written by others at the same time.
    """

    def __init__(self, path: Path) -> None:
        self._connection = connect(path)
        self._lookups: dict[tuple[str, ...], Lookup] = {}

    def get_online(
        self,
        features: Sequence[str],
        entities: Mapping[str, Sequence[Any]],
        *,
        request: Mapping[str, Sequence[Any]] | None = None,
        at: datetime | None = None,
    ) -> dict[str, list[Any]]:
        """The features of many entities: by feature's name a value per entity, None where none counts.

        Args:
            features: views, or `view:feature`; on-demand views come after those whose features they use.
            entities: the values of each entity key, equally many.
            request: what the request brings for on-demand views; the entities' keys are among it in any case.
            at: for when; now by default. A value older than its view's time to live does not count.

        Raises:
            NotFoundError: a view was not materialized, or it has no such feature.
            ParameterError: a key is missing or has a value of another type, or there are not equally many.
            SchemaMismatchError: an input of an on-demand view is missing or of another type.
        """
        names = tuple(features)
        lookup = self._lookups.get(names)
        if lookup is None:
            lookup = self._lookups[names] = self._prepare(names)
        moment = micros_of(at if at is not None else utc_now())
        found = lookup.get(self._connection, entities, request or {}, moment)
        if found is None:  # a view was declared anew since
            self._lookups.clear()
            return self.get_online(features, entities, request=request, at=at)
        return found

    def views(self) -> dict[str, ViewFacts]:
        """What there is, by name."""
        rows = self._connection.execute(
            "select g.facts from current c join generation g on g.id = c.generation order by c.view"
        )
        facts = [msgspec.json.decode(text, type=ViewFacts) for (text,) in rows]
        return {one.view: one for one in facts}

    def _prepare(self, features: Sequence[str]) -> Lookup:
        generations = dict(self._connection.execute("select view, generation from current").fetchall())
        stored = self.views()
        on_demand = {
            view: OnDemandDefinition.from_json(text)
            for view, text in self._connection.execute("select view, definition from on_demand").fetchall()
        }
        chosen: dict[str, list[str] | None] = {}
        for feature in features:
            view, _, name = feature.partition(":")
            known = stored.get(view) or on_demand.get(view)
            if known is None:
                raise NotFoundError("feature view", view, known=[*stored, *on_demand], where="online store")
            names = known.feature_names if isinstance(known, ViewFacts) else list(known.features)
            if name and name not in names:
                raise NotFoundError("feature", name, known=names, where=f"feature view {view!r}, online store")
            before = chosen.get(view, [])
            chosen[view] = None if not name or before is None else [*before, name]
        if not chosen:
            raise ParameterError("no feature is asked for", next_step="name views, or view:feature")
        return Lookup(chosen, stored, on_demand, generations)

    def close(self) -> None:
        """Closes the file."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def put_on_demand(connection: sqlite3.Connection, definitions: Iterable[OnDemandDefinition]) -> None:
    """Lets readers compute these views, and no other ones."""
    connection.execute("begin immediate")
    connection.execute("delete from on_demand")
    rows = [(one.name, one.to_json().decode()) for one in definitions]
    connection.executemany("insert into on_demand values (?, ?)", rows)
    connection.execute("commit")
