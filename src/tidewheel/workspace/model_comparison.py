"""Versions of a model side by side: what differs in state, metrics, parameters, data, code and environment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from tidewheel.core.records import ModelVersion, Snapshot
from tidewheel.core.records.record import Record
from tidewheel.metadata_store import AliasMove
from tidewheel.metadata_store.model import ModelStateChange
from tidewheel.workspace.stores import Stores

FactKind = Literal["state", "metric", "parameter", "data", "code", "environment", "package"]


class VersionDetails(Record, frozen=True, kw_only=True):
    """A version with all that is recorded about it.

    Attributes:
        aliases: the names that point to it.
        endpoints: where it is deployed, as `ENDPOINT in PLACE`.
        commit: of its run; empty outside of Git.
        is_dirty: whether there were uncommitted changes.
        states: how its state came about, the oldest first.
        moves: the moves of aliases to it and from it, the oldest first.
    """

    version: ModelVersion
    aliases: tuple[str, ...]
    endpoints: tuple[str, ...]
    commit: str
    is_dirty: bool
    states: tuple[ModelStateChange, ...]
    moves: tuple[AliasMove, ...]


class Fact(Record, frozen=True, kw_only=True):
    """One property of compared versions.

    Attributes:
        kind: what it is about.
        name: such as a metric's name, or a table's.
        values: of each version, in their order; None where it has none.
    """

    kind: FactKind
    name: str
    values: tuple[Any, ...]

    @property
    def is_different(self) -> bool:
        """Whether not all versions agree."""
        return any(value != self.values[0] for value in self.values[1:])


class VersionComparison(Record, frozen=True, kw_only=True):
    """Versions side by side."""

    model: str
    versions: tuple[int, ...]
    facts: tuple[Fact, ...]


def compare(stores: Stores, model: str, details: Sequence[VersionDetails]) -> VersionComparison:
    """The facts of all versions, in the order of their kinds."""
    numbers = tuple(one.version.version for one in details)
    return VersionComparison(model=model, versions=numbers, facts=tuple(_facts(stores, details)))


def _facts(stores: Stores, details: Sequence[VersionDetails]) -> list[Fact]:
    versions = [one.version for one in details]
    runs = [stores.runs.find(one.run_id) for one in versions]
    states: list[tuple[str, list[Any]]] = [
        ("state", [one.state for one in versions]),
        ("aliases", [", ".join(one.aliases) or None for one in details]),
        ("registered", [one.at for one in versions]),
        ("reason", [one.reason for one in versions]),
    ]
    facts = [_fact("state", name, values) for name, values in states]
    facts += _named("metric", [one.metrics for one in versions])
    facts += _named("parameter", [one.parameters for one in versions])
    facts += _named("data", [{one.table: _told(one) for one in version.snapshots} for version in versions])
    facts.append(_fact("code", "commit", [_commit(one) for one in details]))
    facts.append(_fact("code", "sources", [run.sources_digest[:16] if run else None for run in runs]))
    facts.append(_fact("environment", "runtime", [run.runtime_digest[:16] if run else None for run in runs]))
    facts.append(_fact("package", "digest", [one.package.digest[:16] for one in versions]))
    facts.append(_fact("package", "bytes", [one.package.size_bytes for one in versions]))
    facts += _named("package", [dict(one.package.summary) for one in versions])
    return facts


def _fact(kind: FactKind, name: str, values: Sequence[Any]) -> Fact:
    return Fact(kind=kind, name=name, values=tuple(values))


def _named(kind: FactKind, mappings: Sequence[Mapping[str, Any]]) -> list[Fact]:
    names = dict.fromkeys(name for one in mappings for name in one)
    return [_fact(kind, name, [one.get(name) for one in mappings]) for name in sorted(names)]


def _told(snapshot: Snapshot) -> str:
    return f"{snapshot.snapshot_id}, {snapshot.row_count:,} rows, {snapshot.digest[:12]}"


def _commit(details: VersionDetails) -> str | None:
    if not details.commit:
        return None
    return details.commit[:12] + (" with changes" if details.is_dirty else "")
