"""The columns of a contract as Arrow types, and in which ways the columns of a table differ from them."""

from __future__ import annotations

import re
from collections.abc import Iterable

import pyarrow as pa

from tidewheel.core.errors import suggest
from tidewheel.core.records import ContractFinding, TableContract
from tidewheel.table_store.arrow_types import is_exact

_NAMED = {
    str(type_): type_
    for type_ in (
        pa.bool_(), pa.int32(), pa.int64(), pa.float32(), pa.float64(), pa.string(), pa.binary(), pa.date32(),
        pa.time64("us"), pa.timestamp("us"), pa.timestamp("us", tz="UTC"),
    )
}  # fmt: skip
_DECIMAL = re.compile(r"decimal128\((\d+), ?(\d+)\)")


def named_type(name: str) -> pa.DataType | None:
    """The type that a contract's column names; None for any, or for one that no table holds.

    Example:
        >>> named_type("timestamp[us, tz=UTC]"), named_type("")
        (TimestampType(timestamp[us, tz=UTC]), None)
    """
    if found := _DECIMAL.fullmatch(name):
        return pa.decimal128(int(found[1]), int(found[2]))
    return _NAMED.get(name)


def missing_columns(
    contract: TableContract, names: Iterable[str], rows: int, *, known: Iterable[str] = ()
) -> list[ContractFinding]:
    """One finding for each column that should be there and is not: those that the contract requires, those that a rule
    is about, and those of the table of which the contract says nothing.

    Args:
        names: the columns that there are.
        rows: how many rows lack them.
        known: the table's columns.
    """
    there, declared = set(names), {column.name for column in contract.columns}
    needed = dict.fromkeys(column.name for column in contract.columns if column.is_required)
    for rule in contract.rules:
        about = [rule.column, *rule.arguments.get("columns", ())]
        needed |= dict.fromkeys(column for column in about if column and column not in declared)
    needed |= dict.fromkeys(column for column in known if column not in declared)
    return [
        _finding("missing", name, rows, f"column {name!r} is missing ({suggest(name, sorted(there), 'column')})")
        for name in needed
        if name not in there
    ]


def unexpected_columns(
    contract: TableContract, names: Iterable[str], rows: int, *, known: Iterable[str] = ()
) -> list[ContractFinding]:
    """One finding for each column that neither the contract nor, unless it is strict, the table has.

    Args:
        known: the table's columns.
    """
    declared = {column.name for column in contract.columns}
    if not declared and not contract.is_strict and not list(known):
        return []
    allowed = declared | (set() if contract.is_strict else set(known))
    return [
        _finding("unexpected", name, rows, f"column {name!r} is unexpected ({suggest(name, allowed, 'column')})")
        for name in names
        if name not in allowed
    ]


def differing_types(contract: TableContract, schema: pa.Schema, rows: int) -> list[ContractFinding]:
    """One finding for each column whose values cannot all be said in the contract's type."""
    findings = []
    for column in contract.columns:
        wanted = named_type(column.type)
        if wanted is None or column.name not in schema.names:
            continue
        type_ = schema.field(column.name).type
        if type_ != wanted and not is_exact(type_, wanted):
            findings.append(wrong_type(column.name, rows, f"column {column.name!r} is {type_}, not {wanted}"))
    return findings


def wrong_type(column: str, rows: int, message: str, samples: tuple[dict[str, object], ...] = ()) -> ContractFinding:
    """The finding that a column holds other values than those of its type."""
    return _finding("type", column, rows, message, samples)


def _finding(
    kind: str, column: str, rows: int, message: str, samples: tuple[dict[str, object], ...] = ()
) -> ContractFinding:
    return ContractFinding(
        rule=f"{column}.{kind}", column=column, count=rows, share=1.0 if rows else 0.0, samples=samples, message=message
    )
