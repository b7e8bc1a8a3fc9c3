"""Versions of a model side by side: what differs in state, metrics, parameters, data, code and environment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tidewheel.core.records import ModelVersion, Snapshot
from tidewheel.core.records.record import Record
from tidewheel.metadata_store import AliasMove
from tidewheel.metadata_store.model import ModelStateChange
from tidewheel.workspace.comparison_page import render_body
from tidewheel.workspace.comparison_row import VERSION_TOPICS, Row, Topic, by_topic, differing
from tidewheel.workspace.stores import Stores


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


@dataclass(frozen=True, slots=True)
class VersionComparison:
    """What several versions of a model have in common and what not.

    Args:
        model: its name.
        versions: in the order in which they were named.
        rows: everything, by topic and name.
    """

    model: str
    versions: tuple[int, ...]
    rows: tuple[Row, ...]

    @property
    def differences(self) -> tuple[Row, ...]:
        """Only what is not the same in all versions."""
        return differing(self.rows)

    def to_dict(self) -> dict[str, Any]:
        """As JSON types: model, versions, and for each topic the values by name."""
        return {"model": self.model, "versions": list(self.versions), **by_topic(self.rows, VERSION_TOPICS)}

    def __repr__(self) -> str:
        told = f"{len(self.differences)} of {len(self.rows)} things differ"
        return f"<comparison of {self.model} {', '.join(f'v{one}' for one in self.versions)}: {told}>"

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        return render_body([f"v{number}" for number in self.versions], self.rows, {})


def compare(stores: Stores, model: str, details: Sequence[VersionDetails]) -> VersionComparison:
    """All that is recorded of each version, in the order of the topics."""
    numbers = tuple(one.version.version for one in details)
    return VersionComparison(model, numbers, tuple(_rows(stores, details)))


def _rows(stores: Stores, details: Sequence[VersionDetails]) -> Iterator[Row]:
    versions = [one.version for one in details]
    runs = [stores.runs.find(one.run_id) for one in versions]
    yield _row("state", "state", [one.state for one in versions])
    yield _row("state", "aliases", [", ".join(one.aliases) or None for one in details])
    yield _row("state", "registered", [one.at.isoformat() for one in versions])
    yield _row("state", "reason", [one.reason for one in versions])
    yield from _named("data", [{one.table: _told(one) for one in version.snapshots} for version in versions])
    yield _row("code", "commit", [_commit(one) for one in details])
    yield _row("code", "sources", [run.sources_digest[:16] if run else None for run in runs])
    yield from _named("parameters", [one.parameters for one in versions])
    yield _row("environment", "runtime", [run.runtime_digest[:16] if run else None for run in runs])
    yield from _named("metrics", [one.metrics for one in versions])
    yield _row("package", "digest", [one.package.digest[:16] for one in versions])
    yield _row("package", "bytes", [one.package.size_bytes for one in versions])
    yield from _named("package", [dict(one.package.summary) for one in versions])


def _row(topic: Topic, name: str, values: Sequence[Any]) -> Row:
    return Row(topic, name, tuple(values))


def _named(topic: Topic, mappings: Sequence[Mapping[str, Any]]) -> Iterator[Row]:
    for name in sorted({name for one in mappings for name in one}):
        yield _row(topic, name, [one.get(name) for one in mappings])


def _told(snapshot: Snapshot) -> str:
    return f"{snapshot.snapshot_id}, {snapshot.row_count:,} rows, {snapshot.digest[:12]}"


def _commit(details: VersionDetails) -> str | None:
    if not details.commit:
        return None
    return details.commit[:12] + (" with changes" if details.is_dirty else "")
