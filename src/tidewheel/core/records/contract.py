"""What a table is expected to look like, as neutral data, and what a check of it found."""

from __future__ import annotations

from typing import Any, Literal

from tidewheel.core.records.record import Record

Policy = Literal["stop", "quarantine", "flag", "clip"]
"""What happens to rows that break a rule: the whole batch stops, the rows go to the table's quarantine, they are
published and counted, or they are published with the nearest allowed value."""

ProfilePolicy = Literal["flag", "stop"] | None
"""What happens when the distribution of a column has moved: it is told, the batch stops, or nobody looks."""

Severity = Literal["error", "warning"]

RuleKind = Literal[
    "not_null", "range", "domain", "excluded", "pattern", "text", "length", "sql", "unique", "null_share", "freshness",
    "quarantine_share", "python",
]  # fmt: skip
"""`python` is a check that only its own library can carry out, row by row in Python: it is slow. `quarantine_share`
limits what the others may keep out of one batch; rows of a table, which were let in, keep it."""


class ContractColumn(Record, frozen=True, kw_only=True):
    """A column that a table has.

    Attributes:
        name: as in the table.
        type: Arrow's name of the type, such as `int64` or `timestamp[us, tz=UTC]`; empty for any.
        is_required: whether a batch without it is refused.
    """

    name: str
    type: str = ""
    is_required: bool = True


class ContractRule(Record, frozen=True, kw_only=True):
    """One thing that rows must keep.

    Attributes:
        name: unique in the contract: `column.kind`, or the name that the project gave it.
        kind: how it is checked; it decides what `arguments` hold.
        column: the column it is about; empty for a rule across columns.
        arguments: numbers, texts and lists of these.
        policy: what happens when it is broken.
        severity: `warning` for what never keeps a row out.
    """

    name: str
    kind: RuleKind
    column: str = ""
    arguments: dict[str, Any] = {}
    policy: Policy = "quarantine"
    severity: Severity = "error"

    @property
    def is_slow(self) -> bool:
        """Whether it runs in Python instead of in the one query."""
        return self.kind == "python"


class TableContract(Record, frozen=True, kw_only=True):
    """All that is expected of a table.

    Attributes:
        table: its name.
        columns: those that it must have, in order; empty when only rules are declared.
        is_strict: whether columns of the table that are not among these are refused too.
        rules: in the order in which they are reported.
        profile: what happens when a column's distribution has moved away from that of the batches before, by column,
            `*` for those without an entry; empty, or without any reaction, when batches are not compared.
        digest: of all this; two contracts that expect the same have the same.
        module: the project's module that declares it, and `name` there.
    """

    table: str
    columns: tuple[ContractColumn, ...] = ()
    is_strict: bool = False
    rules: tuple[ContractRule, ...] = ()
    profile: dict[str, ProfilePolicy] = {}
    digest: str = ""
    module: str = ""
    name: str = ""

    @property
    def exempt_columns(self) -> tuple[str, ...]:
        """Columns of which nobody looks whether they move: those that `profile` exempts, and keys, which only grow."""
        # A contract whose batches are not profiled has no policies, but its keys grow all the same.
        keys: dict[str, ProfilePolicy] = {rule.column: None for rule in self.rules if rule.kind == "unique"}
        policies = {**keys, **self.profile}
        return tuple(name for name, policy in policies.items() if policy is None and name not in ("", "*"))


class ContractFinding(Record, frozen=True, kw_only=True):
    """One rule that was broken, or one way in which the columns are not those of the contract.

    Attributes:
        rule: the rule's name, or `COLUMN.missing`, `COLUMN.unexpected`, `COLUMN.type`, `COLUMN.profile`.
        column: empty for a rule across columns.
        policy, severity: of the rule; differing columns stop.
        count: rows that break it.
        share: of all rows looked at, 0 to 1.
        samples: some of these rows.
        message: the finding in words.
    """

    rule: str
    column: str = ""
    policy: Policy = "stop"
    severity: Severity = "error"
    count: int
    share: float
    samples: tuple[dict[str, Any], ...] = ()
    message: str


class ContractReport(Record, frozen=True, kw_only=True):
    """What an audit of rows against a contract found.

    Attributes:
        table: whose rows.
        contract_digest: of the contract they were held against.
        rows: looked at.
        rules: how many were checked, the slow ones among them.
        published, quarantined, clipped: what became of the rows; all 0 for a mere check.
        findings: every broken rule, in the contract's order.
    """

    table: str
    contract_digest: str
    rows: int
    rules: int
    published: int = 0
    quarantined: int = 0
    clipped: int = 0
    findings: tuple[ContractFinding, ...] = ()

    @property
    def is_kept(self) -> bool:
        """Whether no rule of severity `error` was broken."""
        return all(finding.severity == "warning" for finding in self.findings)
