"""What a table is expected to look like, declared in the project."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import msgspec

from tidewheel.core.errors import DefinitionError
from tidewheel.core.records.contract import Policy, ProfilePolicy

POLICIES: tuple[Policy, ...] = ("stop", "quarantine", "flag", "clip")
PROFILE_POLICIES: tuple[ProfilePolicy, ...] = ("flag", "stop", None)


class RowRule(msgspec.Struct, frozen=True):
    """A condition across the columns of one row, in SQL; a row for which it is unknown (NULL) keeps it.

    Attributes:
        name: what findings call it.
        sql: the condition, in DuckDB's SQL, over the table's columns.
        policy: what happens to rows that break it.

    Example:
        >>> RowRule("lands after start", "arr_time is null or dep_time is not null").policy
        'quarantine'
    """

    name: str
    sql: str
    policy: Policy = "quarantine"


class Freshness(msgspec.Struct, frozen=True):
    """How old and how new the values of a time column may be, by the workspace's clock.

    Attributes:
        column: a time or date; without a zone it is taken as UTC.
        max_age: the newest value of a batch is at most this old; None for no limit.
        max_ahead: no row lies further in the future; None for no limit.
        policy: what happens to a batch that is too old; rows of the future go to quarantine, unless `policies` says
            otherwise for the rule `COLUMN.future`.
    """

    column: str
    max_age: timedelta | None = None
    max_ahead: timedelta | None = timedelta(0)
    policy: Policy = "stop"


class Contract(msgspec.Struct, frozen=True):
    """A declaration at the top of one of the project's modules; `ingest` holds every batch against it.

    Attributes:
        table: whose rows.
        schema: a schema of pandera, `DataFrameSchema` or `DataFrameModel`: columns, types, nullability, checks.
        policies: what happens on a broken rule, by its name (`dep_delay.range`), its column, its kind (`range`) or `*`,
            the most exact first; by default its rows go to quarantine.
        freshness: how old and how new rows may be.
        unique: columns, or groups of columns, whose values no two rows of the table share.
        rules: conditions across columns.
        max_null_share: the largest share of missing values per batch, by column.
        max_quarantine_share: the largest share of the rows of a batch, 0 to 1, that may go to quarantine; when more
            would, the whole batch stops (rule `quarantine_share`). None for no limit.
        profile: what happens when a column's distribution has moved away from the batches before: `flag`, `stop` or
            None; or these by column, where `*` means all without an entry, and is `flag` by default. Columns that are
            a key by themselves move by nature and are left out, unless they have an entry.

    Raises:
        DefinitionError: a policy or rule is not of the kinds above; all problems at once.

    Example:
        >>> flights = Contract("flights", unique=["id"], rules=[RowRule("flies", "distance > 0")])
        >>> flights.unique
        ['id']
    """

    table: str
    schema: Any = None
    policies: Mapping[str, Policy] = {}
    freshness: Freshness | None = None
    unique: Sequence[str | Sequence[str]] = ()
    rules: Sequence[RowRule] = ()
    max_null_share: Mapping[str, float] = {}
    max_quarantine_share: float | None = None
    profile: ProfilePolicy | Mapping[str, ProfilePolicy] = "flag"

    def __post_init__(self) -> None:
        problems = []
        if isinstance(self.unique, str):
            problems.append(f"unique is the text {self.unique!r}, not a list of columns @ Contract.unique")
        for place, policy in (*self.policies.items(), *((rule.name, rule.policy) for rule in self.rules)):
            if policy not in POLICIES:
                problems.append(f"{policy!r} is none of {', '.join(POLICIES)} @ Contract, policy of {place!r}")
        names = [rule.name for rule in self.rules]
        problems += [
            f"two rules are called {name!r} @ Contract.rules" for name in {n for n in names if names.count(n) > 1}
        ]
        shares = {f"max_null_share[{column!r}]": share for column, share in self.max_null_share.items()}
        if self.max_quarantine_share is not None:
            shares["max_quarantine_share"] = self.max_quarantine_share
        problems += [
            f"{share} is no share from 0 to 1 @ Contract.{place}"
            for place, share in shares.items()
            if not 0 <= share <= 1
        ]
        problems += [
            f"{reaction!r} is none of flag, stop, None @ Contract.profile[{column!r}]"
            for column, reaction in self.profile_policies.items()
            if reaction not in PROFILE_POLICIES
        ]
        if problems:
            raise DefinitionError(f"the contract of table {self.table!r} is declared wrongly", problems)

    @property
    def profile_policies(self) -> dict[str, ProfilePolicy]:
        """`profile` by column, with an entry for `*`."""
        if not isinstance(self.profile, Mapping):
            return {"*": self.profile}
        return {"*": "flag", **self.profile}
