"""What the rows of a run are held against, as a pipeline's `reference(...)` hands it to a step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tidewheel.core.clock import parse_time
from tidewheel.core.records import Artifact, ReferenceSource, TableContract

if TYPE_CHECKING:
    from tidewheel.statistics import Profile
    from tidewheel.table_store import TableReader


@dataclass(frozen=True)
class Reference:
    """The past of a table: its contract of today, and its rows that the champion was trained on.

    Attributes:
        source: which snapshot, profile and contract these are, and why.
        profile: what was observed of that snapshot.
        contract: what the project declares; None when it declares nothing.
        rows: that snapshot, to be read when it is needed.
        at: the time of the run, when the contract looks at the clock; else None, so that results can be reused.
    """

    source: ReferenceSource
    profile: Profile
    contract: TableContract | None
    rows: TableReader
    at: datetime | None = None

    def __str__(self) -> str:
        contract = f"contract {self.source.contract_digest[:16]}" if self.contract else "no contract"
        place = f"{self.source.table}@{self.source.snapshot_id}"
        return f"{place}: {self.source.row_count:,} rows, {contract}; {self.source.reason}"


def load_reference(facts: Mapping[str, Any], rows: TableReader, load: Callable[[Artifact, Any], Any]) -> Reference:
    """The reference of what a run recorded of it.

    Args:
        facts: `source`, the artifacts `profile` and `contract` (None when there is none), and `at`.
        rows: the snapshot.
        load: reads an artifact as a type.
    """
    from tidewheel.statistics import Profile

    contract = facts.get("contract")
    return Reference(
        source=ReferenceSource.from_dict(facts["source"]),
        profile=load(Artifact.from_dict(facts["profile"]), Profile),
        contract=load(Artifact.from_dict(contract), TableContract) if contract else None,
        rows=rows,
        at=parse_time(facts["at"]) if facts.get("at") else None,
    )
