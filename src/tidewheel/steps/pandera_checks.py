"""Carries out the checks of a contract that only pandera can, over the rows of a snapshot or a staged batch."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pandera.api.checks import Check

from tidewheel.core.errors import ContractBrokenError
from tidewheel.pipeline import Contract
from tidewheel.steps.pandera_contract import slow_checks
from tidewheel.table_store import TableReader, TableReference
from tidewheel.table_store.duckdb_contract import FILE, PLACES, ROW


def run_slow_checks(contract: Contract, reference: TableReference) -> pa.Table:
    """The rows that break slow rules.

    Args:
        contract: as the project declares it.
        reference: the rows, read file by file where that is possible.

    Returns:
        Rule, file and row of each, as `duckdb_contract.PLACES`.

    Raises:
        ContractBrokenError: a check itself failed: which, and with what error.
    """
    checks = slow_checks(contract)
    found = [PLACES.empty_table()]
    if not checks:
        return found[0]
    if reference.is_direct:
        for number, file in enumerate(reference.files):
            found += _broken(contract, checks, pq.read_table(file.path).to_pandas(), number)
    else:
        found += _broken(contract, checks, TableReader(reference).to_pandas(), 0)
    return pa.concat_tables(found)


def run_slow_checks_on(contract: Contract, rows: pa.Table) -> pa.Table:
    """As `run_slow_checks`, of rows in memory, which count as one file."""
    return pa.concat_tables([PLACES.empty_table(), *_broken(contract, slow_checks(contract), rows.to_pandas(), 0)])


def _broken(
    contract: Contract, checks: dict[str, tuple[str, Check]], frame: pd.DataFrame, number: int
) -> list[pa.Table]:
    found = []
    for name, (column, check) in checks.items():
        if column and column not in frame.columns:
            continue  # told as a missing column
        try:
            result = check(frame[column]) if column else check(frame)
        except Exception as error:
            raise ContractBrokenError(
                f"rule {name!r} of table {contract.table!r} could not be checked: {type(error).__name__}: {error}",
                (),
                next_step="correct the check",
            ) from error
        rows = _rows(result.check_output, len(frame))
        table = {"rule": [name] * len(rows), FILE: [number] * len(rows), ROW: rows}
        found.append(pa.table(table, schema=PLACES))
    return found


def _rows(output: Any, count: int) -> list[int]:
    """The rows for which a check does not hold; all of them for a check that answers with one word."""
    if isinstance(output, pd.DataFrame):
        output = output.all(axis=1)
    if isinstance(output, pd.Series):
        held = output.fillna(False).astype(bool)
        return [int(row) for row in held.index[~held]]
    return [] if bool(output) else list(range(count))
