"""Reads files for a table with a contract, and tells every way in which their columns are not the expected ones."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from tidewheel.core.errors import SchemaMismatchError, UnreadableFileError
from tidewheel.core.records import ContractFinding, TableContract
from tidewheel.steps.data_files import read_column, read_file
from tidewheel.table_store.arrow_types import conform
from tidewheel.table_store.contract_columns import missing_columns, named_type, unexpected_columns, wrong_type


def expected_schema(contract: TableContract, table: pa.Schema | None) -> pa.Schema:
    """The columns that files are read as: those of the table, and those that only the contract has yet."""
    fields = {field.name: field for field in table or ()}
    for column in contract.columns:
        type_ = named_type(column.type)
        if type_ is not None:
            fields.setdefault(column.name, pa.field(column.name, type_))
    return pa.schema(list(fields.values()))


def lacks_columns(table: pa.Schema, contract: TableContract) -> bool:
    """Whether the contract has columns that the table does not have, of a type that it names or of any."""
    return not {column.name for column in contract.columns} <= set(table.names)


def with_optional(schemas: dict[str, pa.Schema], contract: TableContract) -> dict[str, pa.Schema]:
    """The same schemas, each with the columns that only the others have and the contract lets it lack."""
    optional = {column.name for column in contract.columns if not column.is_required}
    fields = {field.name: field for schema in schemas.values() for field in schema if field.name in optional}
    return {
        file: pa.schema([*schema, *(field for name, field in fields.items() if name not in schema.names)])
        for file, schema in schemas.items()
    }


def read_expected(
    path: Path, contract: TableContract, expected: pa.Schema, known: pa.Schema | None, nulls: tuple[str, ...]
) -> tuple[pa.Table | None, list[ContractFinding]]:
    """The rows of a file, or how its columns differ from the expected ones.

    Args:
        path: the file.
        contract: of the table.
        expected: see `expected_schema`.
        known: the table's columns; None when it does not exist yet.
        nulls: the texts of a CSV file that mean "no value".

    Raises:
        UnreadableFileError: it is no file of a known kind, or holds no row.
    """
    is_open = not contract.columns and known is None  # rules alone say nothing about other columns
    if not is_open:
        try:
            return read_file(path, schema=expected, nulls=nulls), []
        except SchemaMismatchError:
            pass
    raw = read_file(path, nulls=nulls)
    table = known.names if known is not None else []
    findings = [
        *missing_columns(contract, raw.column_names, raw.num_rows, known=table),
        *unexpected_columns(contract, raw.column_names, raw.num_rows, known=table),
    ]
    columns: dict[str, pa.ChunkedArray] = {}
    for name in raw.column_names:
        if name not in expected.names:
            columns[name] = raw[name]
            continue
        try:
            columns[name] = read_column(path, raw, expected.field(name), nulls)
        except (SchemaMismatchError, UnreadableFileError) as error:
            findings.append(wrong_type(name, raw.num_rows, error.what))
    if findings:
        return None, [_at(finding, path) for finding in findings]
    read = pa.table(columns)
    if is_open:
        return read, []
    # Columns that only the contract has, and whose type it leaves open, have that of the file. One without a value
    # shows none: where the table may lack it, it waits for a file that does, and is not text for good.
    optional = {column.name for column in contract.columns if not column.is_required} - set(expected.names)
    read = read.drop_columns([name for name in optional.intersection(read.column_names) if _shows_no_type(read[name])])
    open_fields = [read.schema.field(name) for name in read.column_names if name not in expected.names]
    expected = pa.schema([*expected, *open_fields])
    return conform(read, expected, where=str(path), fills_missing=True), []


def _shows_no_type(column: pa.ChunkedArray) -> bool:
    """Whether a column is text for want of any value; files read one that is empty throughout so."""
    return column.null_count == len(column) and str(column.type) in ("null", "string")


def _at(finding: ContractFinding, path: Path) -> ContractFinding:
    return ContractFinding.from_dict({**finding.to_dict(), "message": f"{finding.message}, in {path.name}"})
