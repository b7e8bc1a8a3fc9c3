"""The point-in-time join of one view, by DuckDB's ASOF join on the snapshot's files.

First the narrow part: for each row of the spine the event time of the last row of its entity. Then the features of
exactly these rows are fetched, and where several rows have that event time, the one that was created last counts. So
no wide row is ever sorted, nothing but the matches is kept, and what does not fit into memory goes to disk.
"""

from __future__ import annotations

from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tidewheel.feature_store.duckdb_view import CREATED, EVENT, POSITION, BoundView, bind_view
from tidewheel.feature_store.placement import Numbers, placed, places_of
from tidewheel.feature_store.report import ViewReport
from tidewheel.feature_store.spine import KNOWN, ROW, TIME, Spine
from tidewheel.pipeline.feature_view import ViewDefinition, quoted
from tidewheel.table_store import TableReference
from tidewheel.table_store.duckdb_engine import open_snapshots

_ROW, _TIME, _KNOWN = quoted(ROW), quoted(TIME), quoted(KNOWN)
_EVENT, _CREATED, _POSITION = quoted(EVENT), quoted(CREATED), quoted(POSITION)


def join_view(
    spine: Spine, definition: ViewDefinition, reference: TableReference, *, threads: int | None = None
) -> tuple[pa.Table, ViewReport]:
    """The view's features for each row of the spine, in its order, null where there is none; and what was found.

    Raises:
        SchemaMismatchError: a column vanished, or a key has another type in the spine.
        DefinitionError: an expression of the view cannot be computed.
        ArtifactMissingError, ArtifactCorruptError: a data file is gone or damaged.
    """
    source = definition.table
    with open_snapshots({source: reference}, threads=threads, position=POSITION) as connection:
        view = bind_view(connection, definition, source)
        keyed = spine.keyed(definition.keys, view.key_types, definition.name)
        connection.register("spine", keyed)
        join = _Join(connection, view, tells_what_was_known=spine.tells_what_was_known)
        join.match(keyed.schema)
        expired = join.count_expired()
        found, places = join.fetch(spine.rows.num_rows)
    rows, matched = len(places), int(np.count_nonzero(places >= 0))
    features = placed(found, places)
    later = None
    if definition.created_time:
        later = pc.sum(pc.greater(features.column(CREATED), spine.time)).as_py() or 0
    report = ViewReport(
        view=definition.name,
        table=reference.snapshot.table,
        snapshot_id=str(reference.snapshot.snapshot_id),
        snapshot_digest=reference.snapshot.digest,
        matched=matched,
        expired=expired,
        missing=rows - matched - expired,
        look_ahead=_look_ahead(definition, spine),
        created_later=later,
    )
    return features.select(list(definition.features)).combine_chunks(), report


def _look_ahead(definition: ViewDefinition, spine: Spine) -> Any:
    if not definition.created_time:
        return "unknown"
    return "excluded" if spine.tells_what_was_known else "possible"


class _Join:
    """The statements of one join on one connection, where `spine` is a relation.

    `matched` holds row, keys, times and the event time found; rows that are too old are still in it.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, view: BoundView, *, tells_what_was_known: bool) -> None:
        self._connection = connection
        self._view = view
        self._is_known = tells_what_was_known and bool(view.definition.created_time)
        self._keys = ", ".join(view.keys)
        self._fits = " and ".join(f"s.{key} = v.{key}" for key in view.keys)
        carried = [_ROW, *view.keys, _TIME, *([_KNOWN] if self._is_known else [])]
        self._carried = ", ".join(f"s.{name}" for name in carried)
        self._source = quoted(view.source)

    def match(self, spine: pa.Schema) -> None:
        """Finds for each row of the spine the event time that counts; sorts by keys as narrow as the spine's."""
        self._do(
            f"""create temp table matched as select {self._carried}, v.{_EVENT} from spine s
            asof join (select {self._view.times(spine)} from {self._source}) v
            on {self._fits} and s.{_TIME} >= v.{_EVENT}"""
        )
        if self._is_known:
            self._leave_out_what_was_not_known()

    def fetch(self, rows: int) -> tuple[pa.Table, Numbers]:
        """The features of what was matched and is not too old, and where among them those of each row are.

        Where event times tie, what was created last counts, and of that what was ingested last. Places in the files
        are read only of rows that the created time does not settle: for most tables that is none.

        Args:
            rows: of the spine.
        """
        rank = CREATED if self._view.definition.created_time else POSITION
        found = self._features([rank])
        places, undecided = places_of(found, ROW, [rank], rows)
        if len(undecided):
            self._connection.register("undecided", pa.table({ROW: undecided}))
            more = self._features([CREATED, POSITION], f"and s.{_ROW} in (select {_ROW} from undecided)")
            decided, _ = places_of(more, ROW, [CREATED, POSITION], rows)
            places[undecided] = decided[undecided] + found.num_rows
            found = pa.concat_tables([found, more.select(found.column_names)])
        return found, places

    def _features(self, ranks: list[str], only: str = "") -> pa.Table:
        """Row numbers, what settles ties, and features, in no order; several of a row where event times tie."""
        view = self._view
        names = ", ".join(f"v.{quoted(name)}" for name in [*ranks, *view.definition.features])
        known = f"and v.{_CREATED} <= s.{_KNOWN}" if self._is_known else ""
        return self._connection.sql(
            f"""select s.{_ROW}, {names} from matched s join (
                select {view.times()}, {view.created()}, {_POSITION}, {view.features()} from {self._source}
            ) v on {self._fits} and s.{_EVENT} = v.{_EVENT} {known} where {self._is_fresh()} {only}"""
        ).to_arrow_table()

    def count_expired(self) -> int:
        """How many rows of the spine found only what is too old."""
        return int(self._one(f"select count(*) from matched s where not ({self._is_fresh()})"))

    def _is_fresh(self) -> str:
        ttl_us = self._view.definition.ttl_us
        return "true" if ttl_us is None else f"epoch_us(s.{_TIME}) - epoch_us(s.{_EVENT}) <= {ttl_us}"

    def _leave_out_what_was_not_known(self) -> None:
        """Finds an earlier event time for rows of which nothing was known yet at the one that was found.

        In the order of event times, the last event that was known at all is found by an ASOF join too, on the smallest
        created time of all events from there on, which only grows. Where it is not after the row's time, it counts.
        What is left are rows whose entity got its events in another order; only these are compared one by one.
        """
        self._do(
            f"""create temp table known as select {self._keys}, {_EVENT}, min({_CREATED}) as {_CREATED}
            from (select {self._view.times()}, {self._view.created()} from {self._source})
            where {_CREATED} is not null group by all"""
        )
        self._do(
            f"""create temp table candidates as select {self._carried} from matched s anti join known v
            on {self._fits} and v.{_EVENT} = s.{_EVENT} and v.{_CREATED} <= s.{_KNOWN}"""
        )
        self._do(f"delete from matched where {_ROW} in (select {_ROW} from candidates)")
        if not self._one("select count(*) from candidates"):
            return
        self._do(
            f"""create temp table latest as
            select {self._keys}, later as {_CREATED}, max({_EVENT}) as {_EVENT} from (
                select *, min({_CREATED}) over (partition by {self._keys} order by {_EVENT}
                    rows between current row and unbounded following) as later from known)
            group by all"""
        )
        self._do(
            f"""create temp table found as select {self._carried}, v.{_EVENT} from candidates s
            asof join latest v on {self._fits} and s.{_KNOWN} >= v.{_CREATED}"""
        )
        self._do(f"insert into matched select * from found where {_EVENT} <= {_TIME}")
        self._do(
            f"""insert into matched select {self._carried}, max(v.{_EVENT}) from found s join known v
            on {self._fits} and v.{_EVENT} <= s.{_TIME} and v.{_CREATED} <= s.{_KNOWN}
            where s.{_EVENT} > s.{_TIME} group by all"""
        )

    def _do(self, statement: str) -> None:
        self._connection.execute(statement).fetchall()

    def _one(self, query: str) -> Any:
        return self._connection.execute(query).fetchall()[0][0]
