"""What `reference("flights", model="flight-delay")` stands for: decided when a run starts, kept as artifacts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tidewheel.core.digest import digest_value
from tidewheel.core.errors import NotFoundError
from tidewheel.core.records import Artifact, ReferenceSource, Snapshot, TableContract
from tidewheel.workspace.profiles import profile_artifact
from tidewheel.workspace.stores import Stores

if TYPE_CHECKING:
    from tidewheel.steps.reference import Reference

CODEC = "reference/1"
TYPE = "tidewheel.Reference"


def resolve_reference(
    stores: Stores, contracts: Mapping[str, TableContract], table: str, model: str, at: datetime
) -> tuple[Artifact, Snapshot]:
    """The reference of a table now, with the snapshot that it is about; its profile is made when there is none yet.

    Args:
        contracts: those that the project declares, by table.
        model: whose champion's training rows are meant; empty for the first rows of the table.
        at: the time of the run.

    Raises:
        NotFoundError: there is no such table, or it has no row yet.
    """
    snapshot, version, reason = _snapshot(stores, table, model)
    stores.snapshots.put(snapshot)
    profile = profile_artifact(stores, stores.tables.read(snapshot))
    contract = contracts.get(table)
    source = ReferenceSource(
        table=table,
        snapshot_id=str(snapshot.snapshot_id),
        snapshot_digest=snapshot.digest,
        row_count=snapshot.row_count,
        profile_digest=profile.digest,
        contract_digest=contract.digest if contract else "",
        model=model,
        version=version,
        reason=reason,
    )
    facts = {
        "source": source.to_dict(),
        "profile": profile.to_dict(),
        "contract": stores.artifacts.put(contract).to_dict() if contract else None,
        "at": at.isoformat() if contract and _looks_at_the_clock(contract) else "",
    }
    artifact = Artifact(
        digest=digest_value("reference", facts), codec=CODEC, type_name=TYPE, size_bytes=0, summary=facts
    )
    return artifact, snapshot


def load_artifact(stores: Stores, artifact: Artifact) -> Reference:
    """The reference that a run recorded.

    Raises:
        NotFoundError: its snapshot has been forgotten.
        ArtifactMissingError, ArtifactCorruptError: its profile or contract is gone or altered.
    """
    from tidewheel.steps.reference import load_reference

    source = ReferenceSource.from_dict(artifact.summary["source"])
    rows = stores.tables.read(stores.tables.snapshot(source.table, id=int(source.snapshot_id)))
    load: Callable[[Artifact, Any], Any] = stores.artifacts.load
    return load_reference(artifact.summary, rows, load)


def _snapshot(stores: Stores, table: str, model: str) -> tuple[Snapshot, int | None, str]:
    version = stores.aliases.get(model, "champion") if model else None
    if version is not None:
        trained = [one for one in stores.models.get(model, version).snapshots if one.table == table]
        if trained:
            newest = max(trained, key=lambda one: one.committed_at)
            return newest, version, f"{model} v{version}, the champion, was trained on it"
    first = next((one for one in stores.tables.snapshots(table) if one.row_count), None)
    if first is None:
        raise NotFoundError("first row of table", table, next_step=f"add rows with `tidewheel ingest {table} FILE`")
    if version is not None:
        return first, None, f"the first rows of the table: {model} v{version}, the champion, was not trained on it"
    return first, None, "the first rows of the table" + (f": {model} has no champion yet" if model else "")


def _looks_at_the_clock(contract: TableContract) -> bool:
    return any(
        rule.kind == "freshness" or any(isinstance(value, dict) for value in rule.arguments.values())
        for rule in contract.rules
    )
