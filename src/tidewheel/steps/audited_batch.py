"""Files as a batch that wants to be published to a table with a contract."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from tidewheel.core.errors import SchemaMismatchError
from tidewheel.core.records import ContractFinding, ContractReport, Record
from tidewheel.steps.audited_publish import AuditedPublish, Batch, broken
from tidewheel.steps.data_files import unified_schema
from tidewheel.steps.ingest_properties import FILE, RUN
from tidewheel.steps.quarantine import Origin
from tidewheel.steps.schema_skew import expected_schema, lacks_columns, read_expected, with_optional
from tidewheel.table_store import PyIcebergTableStore
from tidewheel.table_store.contract_columns import wrong_type


class IngestedFile(Record, frozen=True, kw_only=True):
    """A file by its path and the digest of its content."""

    path: str
    digest: str

    @property
    def name(self) -> str:
        """Without the folder."""
        return Path(self.path).name


class AuditOfFiles:
    """Reads files for a table with a contract.

    Args:
        store: where the table is.
        table: its name.
        files: those that it does not have yet.
        run_id: kept with the snapshot.
        nulls: the texts of a CSV file that mean "no value".
    """

    def __init__(
        self,
        store: PyIcebergTableStore,
        table: str,
        files: Sequence[IngestedFile],
        run_id: str,
        nulls: tuple[str, ...],
    ) -> None:
        self._store = store
        self._table = table
        self._files = files
        self._run_id = run_id
        self._nulls = nulls

    def prepare(self, audit: AuditedPublish) -> Batch:
        """The batch; a table that does not exist, or lacks columns of the contract, is made fit for it, without a row.

        Raises:
            ContractBrokenError: columns are missing, unexpected or of another type; every one is told.
            SchemaMismatchError: a column has a name that the quarantine needs.
            UnreadableFileError: a file is not what it should be.
        """
        contract, store = audit.contract, self._store
        known = store.schema(self._table) if store.exists(self._table) else None
        is_first = known is None
        expected = expected_schema(contract, known)
        _check_names(expected)
        if known is None or lacks_columns(known, contract):
            # Whether the files fit is told before the table is touched; they are read again, one at a time, later.
            schemas = {
                file.path: table.schema
                for file, table in zip(self._files, self._read(audit, expected, known), strict=True)
            }
            expected = self._unified(audit, schemas)
            _check_names(expected)
            if known is None:
                store.create(self._table, expected)
            else:
                store.evolve(self._table, expected)
            known = store.schema(self._table)
            expected = known
        return Batch(
            table=self._table,
            tables=self._read(audit, expected, known),
            locate=lambda source, row: (Origin(self._files[source].name, self._files[source].digest), row + 1),
            properties=self._properties,
            unless=[f"{FILE}{file.digest}" for file in self._files],
            is_first=is_first,
        )

    def _read(self, audit: AuditedPublish, expected: pa.Schema, known: pa.Schema | None) -> Iterator[pa.Table]:
        findings: list[ContractFinding] = []
        rows = 0
        for file in self._files:
            data, found = read_expected(Path(file.path), audit.contract, expected, known, self._nulls)
            findings += found
            rows += data.num_rows if data is not None else found[0].count
            if data is not None and not findings:
                yield data
        if findings:
            raise self._stop(audit, rows, findings)

    def _unified(self, audit: AuditedPublish, schemas: dict[str, pa.Schema]) -> pa.Schema:
        try:
            return unified_schema(with_optional(schemas, audit.contract))
        except SchemaMismatchError as error:
            raise self._stop(audit, 0, [wrong_type("", 0, f"{error.what} in {error.where}")]) from None

    def _stop(self, audit: AuditedPublish, rows: int, findings: list[ContractFinding]) -> Exception:
        report = ContractReport(
            table=self._table,
            contract_digest=audit.contract.digest,
            rows=rows,
            rules=len(audit.contract.rules),
            findings=tuple(findings),
        )
        audit.listener(report)
        return broken(report, "its columns are not the expected ones, nothing was published")

    def _properties(self, good: Sequence[int]) -> Mapping[str, str]:
        properties = {RUN: self._run_id} if self._run_id else {}
        for file, rows in zip(self._files, good, strict=True):
            properties[f"{FILE}{file.digest}"] = f"{rows} {file.name}"
        return properties


def _check_names(schema: pa.Schema) -> None:
    """Rows in quarantine have columns of their own beside those of the table."""
    if taken := [name for name in schema.names if name.casefold().startswith("tidewheel_")]:
        raise SchemaMismatchError(
            f"columns of a table with a contract cannot begin with 'tidewheel_': {', '.join(map(repr, taken))}",
            next_step="rename them",
        )
