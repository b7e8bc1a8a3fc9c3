"""Holds rows against a contract: every rule in one pass of DuckDB over the Parquet files, or over Arrow data.

The pass only counts. When it finds something, further queries fetch samples and, for an ingest, part the rows that go
to quarantine from those that do not; a row is named by the file of the batch that it is in and its place there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from importlib import import_module
from typing import Any

import duckdb
import msgspec
import pyarrow as pa

from tidewheel.core.errors import ParameterError
from tidewheel.core.records import ContractFinding, ContractRule, TableContract
from tidewheel.table_store.contract_columns import differing_types, missing_columns, unexpected_columns
from tidewheel.table_store.contract_messages import batch_message, row_message, share_message
from tidewheel.table_store.contract_sql import (
    BATCH_KINDS,
    batch_measure,
    clipped,
    known_key,
    newest,
    quoted,
    repetitions,
    same_key,
    violation,
)
from tidewheel.table_store.duckdb_contract_failure import failure_of_rule
from tidewheel.table_store.duckdb_engine import configuration, confine, parquet, told
from tidewheel.table_store.duckdb_syntax import check_is_condition
from tidewheel.table_store.table_reference import TableReference

SAMPLES = 5
BITS_PER_KEY, MOST_BITS = 64, 1_000_000_000
"""Integer keys that are no farther apart are counted as bits; DuckDB has no longer strings of bits."""
FILE, ROW, REASONS = "tidewheel_file", "tidewheel_row", "tidewheel_reasons"
"""Which file of the batch a row is in, and where in it, both from 0, and the rules that it broke. Tables may have
columns of any other name, so that no column that is made here has a shorter one."""
AGAIN = "tidewheel_again"
"""Whether an earlier row has the same key."""

PLACES = pa.schema([("rule", pa.string()), (FILE, pa.int64()), (ROW, pa.int64())])
"""Rows that break rules which DuckDB cannot check."""


class ContractAudit:
    """One audit of rows; made by `open_audit`, which closes it.

    Args:
        connection: with the rows as view `raw` and, when keys are unique across batches, the table as view `published`.
        contract: what the rows are held against.
        schema: their columns.
        at: the present time.
        slow: the rows that break slow rules.
        has_published: whether there are rows of the table to compare keys with.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        contract: TableContract,
        schema: pa.Schema,
        at: datetime,
        slow: pa.Table | None,
        *,
        has_published: bool,
    ) -> None:
        self._connection = connection
        self._contract = contract
        self._schema = schema
        self._has_published = has_published
        self._slow = PLACES.empty_table() if slow is None else slow
        connection.register("slow", self._slow)
        there = set(schema.names)
        self._limits = [rule for rule in contract.rules if rule.kind == "quarantine_share"]
        looked_at = [rule for rule in contract.rules if rule.kind != "quarantine_share"]
        self._rules = [rule for rule in looked_at if not rule.column or rule.column in there]
        self._conditions = {rule.name: violation(rule, schema, at) for rule in self._rules}
        self._at = at
        self._clips = clipped(self._rules, schema)
        replaced = ", ".join(f"{value} as {quoted(name)}" for name, value in self._clips.items())
        connection.execute(f"create view clean as select * {f'replace ({replaced}) ' if replaced else ''}from raw")
        self.row_count = 0

    def check(self) -> list[ContractFinding]:
        """Every way in which rows and columns are not as the contract says, in its order.

        Raises:
            ParameterError: a rule cannot be evaluated on the values that are there; it is named.
            SchemaMismatchError: a rule's condition names a column that is not there.
        """
        rules = [rule for rule in self._rules if rule.kind != "python"]
        measured = self._measured(rules)
        self.row_count = measured[0]
        values = dict(zip((rule.name for rule in rules), measured[1:], strict=True))
        slow = self._slow.column("rule").to_pylist()
        findings = [
            *missing_columns(self._contract, self._schema.names, self.row_count),
            *unexpected_columns(self._contract, self._schema.names, self.row_count, known=self._schema.names),
            *differing_types(self._contract, self._schema, self.row_count),
        ]
        for rule in self._rules:
            value = slow.count(rule.name) if rule.kind == "python" else values[rule.name]
            found = self._batch_finding(rule, value) if rule.kind in BATCH_KINDS else self._row_finding(rule, value)
            if found is not None:
                findings.append(found)
        return findings

    def _measured(self, rules: Sequence[ContractRule]) -> tuple[Any, ...]:
        try:
            (measured,) = self._connection.sql(self.query(rules)).fetchall()
        except duckdb.Error:
            failure = failure_of_rule(self._connection, self._contract.table, rules, self._schema, self.query)
            if failure is None:
                raise
            raise failure from None
        return tuple(measured)

    def query(self, rules: Sequence[ContractRule]) -> str:
        """The one query: the number of rows, then one number for each rule."""
        measures = ["count(*)"]
        for rule in rules:
            if rule.kind in BATCH_KINDS:
                measures.append(batch_measure(rule, self._schema))
            elif rule.kind == "unique":
                measures.append(self._repetitions(rule))
            else:
                source = self._source(rule)
                counted = f"count_if({self._conditions[rule.name]})"
                # Clipping rules look at rows as they came; the others after it, which is the same where nothing clips.
                measures.append(counted if source == self._main else f"(select {counted} from {source})")
        return f"select {', '.join(measures)} from {self._main}"

    def separate(self) -> None:
        """Finds the rows that go to quarantine, with the reasons; `good`, `bad` and `bad_counts` then tell them."""
        rules = [rule for rule in self._rules if rule.policy == "quarantine"]
        rowwise = [r for r in rules if r.kind not in BATCH_KINDS and r.kind not in ("unique", "python")]
        cases = ", ".join(f"case when {self._conditions[r.name]} then {_text(r.name)} end" for r in rowwise) or "null"
        self._connection.execute(
            f"""create temp table bad as select * from (
                    select {FILE}, {ROW}, list_filter([{cases}]::varchar[], lambda one: one is not null) {REASONS}
                    from clean)
                where len({REASONS}) > 0"""
        )
        names = ", ".join(_text(rule.name) for rule in rules if rule.kind == "python") or "null"
        self._connection.execute(
            f"""insert into bad select {FILE}, {ROW}, list(distinct rule order by rule) from slow
                where rule in ({names}) group by all"""
        )
        for rule in rules:
            if rule.kind == "unique":
                self._separate_repetitions(rule)
        self._connection.execute(
            f"""create temp table marked as
                select {FILE}, {ROW}, flatten(list({REASONS})) {REASONS} from bad group by {FILE}, {ROW}"""
        )

    def good(self, batch_rows: int = 65_536) -> pa.RecordBatchReader:
        """The rows that stay, clipped, in their order."""
        reader: pa.RecordBatchReader = self._connection.sql(
            f"""select {self._names()} from clean anti join marked using ({FILE}, {ROW}) order by {FILE}, {ROW}"""
        ).to_arrow_reader(batch_rows)
        return reader

    def bad(self) -> pa.Table:
        """The rows that go, as they came, with `FILE`, `ROW` and `REASONS`."""
        rows: pa.Table = self._connection.sql(
            f"""select {self._names()}, {FILE}, {ROW}, {REASONS} from raw join marked using ({FILE}, {ROW})
                order by {FILE}, {ROW}"""
        ).to_arrow_table()
        return rows

    def bad_counts(self) -> dict[int, int]:
        """How many rows go, by file."""
        return dict(self._connection.sql(f"select {FILE}, count(*) from marked group by 1").fetchall())

    def too_many(self, bad: int) -> list[ContractFinding]:
        """Rules that so many rows for quarantine, of all that were checked, break."""
        share = bad / max(self.row_count, 1)
        return [
            ContractFinding(
                rule=rule.name,
                policy=rule.policy,
                severity=rule.severity,
                count=bad,
                share=share,
                message=share_message(rule, bad, self.row_count),
            )
            for rule in self._limits
            if share > rule.arguments["max"]
        ]

    @property
    def _main(self) -> str:
        return "clean"

    def _source(self, rule: ContractRule) -> str:
        return "raw" if rule.policy == "clip" and rule.column in self._clips else self._main

    def _repetitions(self, rule: ContractRule) -> str:
        columns = rule.arguments["columns"]
        within = repetitions(columns, self._schema, self._main, self._dense_span(columns))
        if not self._has_published:
            return within
        keys = ", ".join(quoted(column) for column in columns)
        known = f"{self._main} c semi join published p on {same_key(columns, 'c', 'p')}"
        # Of rows that share a key which the table has, all are too many: one more than repeat it within the batch.
        return f"{within} + (select count(*) from (select distinct {keys} from {known}))"

    def _dense_span(self, columns: Sequence[str]) -> tuple[int, int] | None:
        """The least and the largest key, when a bit for each number between them takes less than a hash of each row.

        Numbered rows are such keys, and their bits are counted four times faster.
        """
        if len(columns) > 1 or not pa.types.is_integer(self._schema.field(columns[0]).type):
            return None
        key = quoted(columns[0])
        sql = f"select min({key}), max({key}), count({key}) from {self._main}"
        ((least, most, count),) = self._connection.sql(sql).fetchall()
        is_dense = count > 0 and most - least < min(BITS_PER_KEY * count, MOST_BITS)
        return (least, most) if is_dense else None

    def _separate_repetitions(self, rule: ContractRule) -> None:
        """A row whose key an earlier good row has, in the batch or in the table, is one too many."""
        columns = rule.arguments["columns"]
        keys = ", ".join(quoted(column) for column in columns)
        remaining = f"clean anti join bad using ({FILE}, {ROW}) where {known_key(columns, self._schema)}"
        left = f"(select {keys}, {FILE}, {ROW} from {remaining})"
        known = f"exists (from published p where {same_key(columns, 'c', 'p')})" if self._has_published else "false"
        self._connection.execute(
            f"""insert into bad select {FILE}, {ROW}, [{_text(rule.name)}] from (
                    select *, row_number() over (partition by {keys} order by {FILE}, {ROW}) > 1 or {known} {AGAIN}
                    from {left} c)
                where {AGAIN}"""
        )

    def _row_finding(self, rule: ContractRule, count: int) -> ContractFinding | None:
        if not count:
            return None
        share = count / self.row_count
        samples = self._samples(rule)
        return ContractFinding(
            rule=rule.name,
            column=rule.column,
            policy=rule.policy,
            severity=rule.severity,
            count=count,
            share=share,
            samples=samples,
            message=row_message(rule, count, self.row_count, samples),
        )

    def _batch_finding(self, rule: ContractRule, measure: Any) -> ContractFinding | None:
        if not self.row_count:
            return None
        if rule.kind == "freshness":
            last = newest(measure)
            is_kept = last is not None and last >= self._at - timedelta(seconds=rule.arguments["max_age_s"])
            measure = last
        else:
            is_kept = measure <= rule.arguments["max"]
        if is_kept:
            return None
        return ContractFinding(
            rule=rule.name,
            column=rule.column,
            policy=rule.policy,
            severity=rule.severity,
            count=self.row_count,
            share=1.0,
            message=batch_message(rule, measure, self._at),
        )

    def _samples(self, rule: ContractRule) -> tuple[dict[str, Any], ...]:
        source = f"{self._source(rule)} where {self._conditions[rule.name]}"
        if rule.kind == "python":
            source = f"raw semi join (from slow where rule = {_text(rule.name)}) using ({FILE}, {ROW})"
        elif rule.kind == "unique":
            columns = rule.arguments["columns"]
            keys = ", ".join(quoted(column) for column in columns)
            known = known_key(columns, self._schema)
            again = f"(select {keys} from {self._main} where {known} group by all having count(*) > 1)"
            if self._has_published:
                again = f"({again} union all (select {keys} from published))"
            source = f"{self._main} m semi join {again} again on {same_key(columns, 'm', 'again')}"
        found = self._connection.sql(f"select {self._names()} from {source} order by {FILE}, {ROW} limit {SAMPLES}")
        return tuple(msgspec.to_builtins(row, enc_hook=str) for row in found.to_arrow_table().to_pylist())

    def _names(self) -> str:
        return ", ".join(quoted(name) for name in self._schema.names)


@contextmanager
def open_audit(
    contract: TableContract,
    rows: TableReference | pa.Table,
    *,
    at: datetime,
    published: TableReference | None = None,
    slow: pa.Table | None = None,
    threads: int | None = None,
) -> Iterator[ContractAudit]:
    """Starts an audit.

    Args:
        contract: what the rows are held against.
        rows: a snapshot, the staged files of a batch as a reference, or Arrow data.
        at: the present time, for freshness and the future.
        published: the table as it is, whose keys a batch must not repeat.
        slow: the rows that break slow rules, as `PLACES`.
        threads: how many DuckDB may use; all cores by default.

    Raises:
        ParameterError: a rule's condition is no SQL, or neither true nor false.
        SchemaMismatchError: a condition names a column that is not there.
        ArtifactMissingError, ArtifactCorruptError: a data file is gone or damaged.
    """
    references: Mapping[str, TableReference] = {
        name: one for name, one in (("raw", rows), ("published", published)) if isinstance(one, TableReference)
    }
    schema = _schema_of(rows)
    keyed = published is not None and any(rule.kind == "unique" for rule in contract.rules)
    with duckdb.connect(":memory:", config=configuration(threads)) as connection:
        with told(f"contract of table {contract.table!r}", references):
            confine(connection, references)
            _create_source(connection, "raw", rows, places=True)
            if keyed and published is not None:
                _create_source(connection, "published", published, places=False)
            _check_conditions(connection, contract)
            yield ContractAudit(connection, contract, schema, at, slow, has_published=keyed)


def _check_conditions(connection: duckdb.DuckDBPyConnection, contract: TableContract) -> None:
    for rule in contract.rules:
        if rule.kind == "sql":
            try:
                check_is_condition(connection, rule.arguments["sql"], "raw")
            except ParameterError as error:
                where = f"contract of table {contract.table!r}, rule {rule.name!r}"
                raise ParameterError(error.what, where=where, next_step=error.next_step) from None


def _create_source(
    connection: duckdb.DuckDBPyConnection, name: str, rows: TableReference | pa.Table, *, places: bool
) -> None:
    columns = ", ".join(quoted(column) for column in _schema_of(rows).names)
    if isinstance(rows, TableReference) and rows.is_direct and rows.files:
        place = f", file_index::bigint as {FILE}, file_row_number::bigint as {ROW}" if places else ""
        connection.execute(f"create view {name} as select {columns}{place} from {parquet(rows)}")
        return
    data = rows if isinstance(rows, pa.Table) else _scanned(rows)
    if places:
        data = data.append_column(FILE, pa.array([0] * data.num_rows, pa.int64()))
        data = data.append_column(ROW, pa.array(range(data.num_rows), pa.int64()))
    connection.register(f"source of {name}", data)
    connection.execute(f'create view {name} as select * from "source of {name}"')


def _scanned(reference: TableReference) -> pa.Table:
    if not reference.files:
        return _schema_of(reference).empty_table()
    # PyIceberg costs a second to import, and most snapshots never need it.
    rows: pa.Table = import_module("tidewheel.table_store.pyiceberg_scan").scan_snapshot(reference)
    return rows


def _schema_of(rows: TableReference | pa.Table) -> pa.Schema:
    return rows.schema if isinstance(rows, pa.Table) else pa.ipc.read_schema(pa.py_buffer(rows.schema))


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
