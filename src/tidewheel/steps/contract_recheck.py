"""Holds the rows of a snapshot against the contract of today and the columns of the reference, and parts them."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import NamedTuple

import msgspec
import pyarrow as pa

from tidewheel.core.clock import utc_now
from tidewheel.core.errors import DefinitionError
from tidewheel.core.records import ContractFinding, TableContract
from tidewheel.pipeline import Contract
from tidewheel.statistics import Profile
from tidewheel.steps.reference import Reference
from tidewheel.table_store.arrow_types import table_type
from tidewheel.table_store.contract_columns import (
    differing_types,
    missing_columns,
    named_type,
    unexpected_columns,
    wrong_type,
)
from tidewheel.table_store.contract_sql import BATCH_KINDS
from tidewheel.table_store.duckdb_contract import open_audit

_VALUES = ("domain", "excluded")
"""Rules about which values there are: unexpected ones are schema skew."""


class Rechecked(NamedTuple):
    """What became of the rows.

    Attributes:
        rows: without those for quarantine, clipped.
        findings: schema skew and broken rules; the policy of each is what was done.
        clipped_count: values that were clipped.
    """

    rows: pa.Table
    findings: tuple[ContractFinding, ...]
    clipped_count: int = 0

    @property
    def stops(self) -> list[str]:
        """What must stop the run, in words."""
        return [finding.message for finding in self.findings if finding.policy == "stop"]


def recheck(rows: pa.Table, reference: Reference) -> Rechecked:
    """Rows with other columns stop, and so do rules whose policy says so, rules about a batch as a whole, and values
    outside of their domain. Other rules do what their policy says.

    Args:
        rows: all columns of the table.
        reference: its contract decides; what that does not declare is as the profile was.

    Raises:
        ParameterError: a rule's condition is no SQL.
        ContractBrokenError: a check of the project's own failed.
    """
    contract = reference.contract or TableContract(table=reference.source.table)
    findings = column_findings(rows.schema, contract, reference.profile, rows.num_rows)
    if findings or not contract.rules:
        return Rechecked(rows, tuple(findings))
    slow = _slow(contract, rows) if any(rule.is_slow for rule in contract.rules) else None
    kinds = {rule.name: rule.kind for rule in contract.rules}
    with open_audit(contract, rows, at=reference.at or utc_now(), slow=slow) as audit:
        found = tuple(_strict(finding, kinds.get(finding.rule, "")) for finding in audit.check())
        changes = [finding.policy for finding in found if finding.policy in ("quarantine", "clip")]
        if not changes or any(finding.policy == "stop" for finding in found):
            return Rechecked(rows, found)
        audit.separate()
        kept = audit.good().read_all().cast(rows.schema)
        return Rechecked(kept, found, sum(finding.count for finding in found if finding.policy == "clip"))


def column_findings(schema: pa.Schema, contract: TableContract, profile: Profile, rows: int) -> list[ContractFinding]:
    """Missing, unexpected and wrong-typed columns; the contract is asked first, then what was observed."""
    observed = dict(profile.schema)
    typed = {column.name for column in contract.columns if named_type(column.type) is not None}
    findings = [
        *missing_columns(contract, schema.names, rows, known=() if contract.is_strict else observed),
        *unexpected_columns(contract, schema.names, rows, known=observed),
        *differing_types(contract, schema, rows),
    ]
    for field in schema:
        before = observed.get(field.name)
        if before is not None and field.name not in typed and not _is_alike(field.type, before):
            message = f"column {field.name!r} is {field.type}, it was {before}"
            findings.append(wrong_type(field.name, rows, message))
    return findings


def _is_alike(type_: pa.DataType, before: str) -> bool:
    """Whether a table that holds such values has this type; steps see wider spellings of it."""
    if str(type_) == before:
        return True
    try:
        return str(table_type(type_)) == before
    except TypeError:
        return False


def _strict(finding: ContractFinding, kind: str) -> ContractFinding:
    """These rows passed an audit once: what it would have kept out means something else by now, so people look."""
    is_skew = kind in _VALUES or kind in BATCH_KINDS
    if is_skew and finding.policy == "quarantine":
        return msgspec.structs.replace(finding, policy="stop")
    return finding


def _slow(contract: TableContract, rows: pa.Table) -> pa.Table:
    declared = getattr(import_module(contract.module), contract.name, None)
    if not isinstance(declared, Contract):
        raise DefinitionError(f"{contract.module}:{contract.name} is no contract", ())
    # Pandera costs most of a second to import; only rules that nothing else can check need it.
    checks = import_module("tidewheel.steps.pandera_checks")
    broken: pa.Table = checks.run_slow_checks_on(declared, rows)
    return broken


def in_words(findings: Sequence[str], table: str) -> str:
    """The reason for which a run is stopped."""
    return f"table {table!r} is not what it is expected to be: {'; '.join(findings)}"
