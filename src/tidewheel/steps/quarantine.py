"""The quarantine of a table: the rows that broke its contract, as they came, each with its reasons.

It is a table of its own, `quarantine.NAME`. Rows arrive there before the good rows of the same ingest are published, so
that none is ever lost; they count once the table has a snapshot with their ingest id. What an ingest that died left
behind counts for nothing and is taken away by the next one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Literal, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from tidewheel.core.clock import utc_now
from tidewheel.core.errors import ConflictError
from tidewheel.core.records import Record
from tidewheel.steps.ingest_properties import FILE, INGEST_ID, RELEASED
from tidewheel.table_store import PyIcebergTableStore

INGEST, ORIGIN, CONTENT, ROW = "tidewheel_ingest", "tidewheel_file", "tidewheel_content", "tidewheel_row"
REASONS, AT, CONTRACT = "tidewheel_reasons", "tidewheel_at", "tidewheel_contract"
FACTS = pa.schema(
    [
        (INGEST, pa.string()),
        (ORIGIN, pa.string()),
        (CONTENT, pa.string()),
        (ROW, pa.int64()),
        (REASONS, pa.list_(pa.string())),
        (AT, pa.timestamp("us", tz="UTC")),
        (CONTRACT, pa.string()),
    ]
)
"""What is told about each row, beside its own columns: the ingest, the file with its digest and the row in it from 1,
the rules that it broke, when, and the digest of their contract."""


class Origin(NamedTuple):
    """Where rows are from: a file's name, and the digest of its content."""

    name: str
    content: str


class QuarantinedBatch(Record, frozen=True, kw_only=True):
    """The rows of one ingest that are in quarantine.

    Attributes:
        table: whose contract they broke.
        ingest_id: names them.
        rows: how many.
        files: where they are from.
        reasons: how many rows broke each rule.
        at: when, by the workspace's clock.
        contract_digest: of the contract then.
        status: `unfinished` while the good rows of the same ingest are not published.
    """

    table: str
    ingest_id: str
    rows: int
    files: tuple[str, ...]
    reasons: dict[str, int]
    at: datetime
    contract_digest: str
    status: Literal["held", "unfinished"] = "held"


class Quarantine:
    """The quarantine of one table.

    Args:
        store: where both tables are.
        table: the table.
        is_recorded: whether the books know a property of the table's snapshots that expired since.
    """

    def __init__(
        self, store: PyIcebergTableStore, table: str, is_recorded: Callable[[str], bool] = lambda key: False
    ) -> None:
        self._store = store
        self._table = table
        self._is_recorded = is_recorded
        # A dot would make another namespace.
        self.name = f"quarantine.{table.replace('.', '-')}"

    def put(
        self,
        rows: pa.Table,
        reasons: pa.ChunkedArray,
        ingest_id: str,
        origins: Sequence[tuple[Origin, int]],
        at: datetime,
        contract: str,
    ) -> None:
        """Adds rows that broke rules, in one commit.

        Args:
            rows: as they came, with the table's columns.
            reasons: the rules that each broke.
            ingest_id: of the commit of the good rows.
            origins: where each row is from, and its number there, from 1.
            at: the workspace's time.
            contract: its digest.
        """
        facts = {
            INGEST: [ingest_id] * rows.num_rows,
            ORIGIN: [origin.name for origin, _ in origins],
            CONTENT: [origin.content for origin, _ in origins],
            ROW: [number for _, number in origins],
            REASONS: reasons,
            AT: [at.astimezone(UTC)] * rows.num_rows,
            CONTRACT: [contract] * rows.num_rows,
        }
        for field in FACTS:
            fact = facts[field.name]
            rows = rows.append_column(field, fact if field.name == REASONS else pa.array(fact, field.type))
        self._prepare(rows.schema)
        self._store.append(self.name, rows, properties={INGEST_ID: ingest_id})

    def batches(self) -> tuple[QuarantinedBatch, ...]:
        """What is in quarantine, the oldest first; what was released or left by a dead ingest is not."""
        rows, known = self._rows([INGEST, ORIGIN, REASONS, AT, CONTRACT, CONTENT]), self._known()
        found = []
        for ingest_id in sorted(pc.unique(rows[INGEST]).to_pylist()):
            part = rows.filter(pc.equal(rows[INGEST], ingest_id))
            if self._is_released(ingest_id, known) or self._is_superseded(ingest_id, part, known):
                continue
            reasons = [reason for row in part[REASONS].to_pylist() for reason in row]
            found.append(
                QuarantinedBatch(
                    table=self._table,
                    ingest_id=ingest_id,
                    rows=part.num_rows,
                    files=tuple(dict.fromkeys(part[ORIGIN].to_pylist())),
                    reasons={reason: reasons.count(reason) for reason in dict.fromkeys(reasons)},
                    at=part[AT][0].as_py(),
                    contract_digest=part[CONTRACT][0].as_py(),
                    status="held" if self._is_published(ingest_id, known) else "unfinished",
                )
            )
        return tuple(found)

    def rows(self, ingest_ids: Iterable[str] | None = None) -> pa.Table:
        """The rows in quarantine, with `FACTS`, in the order of their files."""
        wanted = [batch.ingest_id for batch in self.batches()] if ingest_ids is None else list(ingest_ids)
        rows = self._rows(None)
        return rows.filter(pc.is_in(rows[INGEST], pa.array(wanted, pa.string())))

    def remove(self, ingest_ids: Sequence[str]) -> None:
        """Takes rows away for good; ids that have none are passed over."""
        if ingest_ids and self._store.exists(self.name):
            self._store.delete(self.name, INGEST, ingest_ids)

    def take_back(self, ingest_id: str) -> None:
        """Takes the rows of an ingest away whose good rows are not published."""
        if not self._is_published(ingest_id, self._known()):
            self.remove([ingest_id])

    def sweep(self) -> None:
        """Takes away what was released, and what ingests left that died before their good rows were published."""
        rows = self._rows([INGEST, CONTENT])
        known = self._known() if rows.num_rows else frozenset[str]()
        gone = []
        for ingest_id in sorted(pc.unique(rows[INGEST]).to_pylist()):
            if self._is_released(ingest_id, known):
                gone.append(ingest_id)
            elif not self._is_published(ingest_id, known):
                part = rows.filter(pc.equal(rows[INGEST], ingest_id))
                if self._is_superseded(ingest_id, part, known) and self._is_dead(ingest_id):
                    gone.append(ingest_id)
        self.remove(gone)

    def _is_published(self, ingest_id: str, known: frozenset[str]) -> bool:
        return self._has(f"{INGEST_ID}={ingest_id}", known) or self._was(INGEST_ID, ingest_id)

    def _is_released(self, ingest_id: str, known: frozenset[str]) -> bool:
        return self._has(f"{RELEASED}{ingest_id}", known)

    def _is_superseded(self, ingest_id: str, rows: pa.Table, known: frozenset[str]) -> bool:
        """Whether its files were published by another ingest, so that this one never will be."""
        if self._is_published(ingest_id, known):
            return False
        contents = [f"{FILE}{content}" for content in pc.unique(rows[CONTENT]).to_pylist()]
        return all(self._has(key, known) or self._was(key) for key in contents)

    def _is_dead(self, ingest_id: str) -> bool:
        return self._store.staging.is_dead(ingest_id, (utc_now() - made_at(ingest_id)).total_seconds())

    def _known(self) -> frozenset[str]:
        """What the table's snapshots were committed with: each key, and each `key=value`."""
        lineage = self._store.lineage(self._table) if self._store.exists(self._table) else ()
        facts = [
            fact for properties in lineage for key, value in properties.items() for fact in (key, f"{key}={value}")
        ]
        return frozenset(facts)

    def _was(self, key: str, value: str | None = None) -> bool:
        """Asks one by one, which also finds what has expired."""
        return self._store.exists(self._table) and self._store.find_by_property(self._table, key, value) is not None

    def _has(self, fact: str, known: frozenset[str]) -> bool:
        return fact in known or self._is_recorded(fact)

    def _rows(self, columns: list[str] | None) -> pa.Table:
        if not self._store.exists(self.name):
            return (FACTS if columns is None else pa.schema([FACTS.field(name) for name in columns])).empty_table()
        return self._store.read(self._store.snapshot(self.name)).to_arrow(columns)

    def _prepare(self, schema: pa.Schema) -> None:
        wanted = pa.schema([field.with_nullable(True) for field in schema])
        try:
            if not self._store.exists(self.name):
                self._store.create(self.name, wanted)
        except ConflictError:
            pass  # another ingest made it meanwhile
        self._store.evolve(self.name, wanted)


def made_at(identifier: str) -> datetime:
    """When an id of `core.identifier` was made."""
    alphabet = "0123456789abcdefghjkmnpqrstvwxyz"
    value = 0
    for character in identifier:
        value = value << 5 | alphabet.index(character)
    return datetime.fromtimestamp((value >> 35) / 1000, UTC)
