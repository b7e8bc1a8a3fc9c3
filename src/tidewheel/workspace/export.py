"""Handing a registered model out, as an operation of the workspace."""

from __future__ import annotations

from pathlib import Path

from tidewheel.core.records import Event
from tidewheel.deployment.edge_bundle import EdgeBundle, write_edge_bundle
from tidewheel.workspace.champions import chosen_version
from tidewheel.workspace.operation import record_operation
from tidewheel.workspace.stores import Stores


def export_edge(
    stores: Stores, model: str, version: int | None, folder: Path, event: Event, *, assets: Path | None
) -> EdgeBundle:
    """Writes the edge form of a version and records that it went out; see `write_edge_bundle`.

    Raises:
        NotFoundError: no such version.
        ArtifactMissingError, ArtifactCorruptError: its package is not what was registered.
    """
    chosen = chosen_version(stores, model, version)
    parameters = {"model": model, "version": chosen.version, "to": "edge", "folder": str(folder)}
    with record_operation(stores, "export", parameters, event) as operation:
        operation.inputs["package"] = chosen.package
        package = stores.artifacts.load(chosen.package)
        cache = stores.folder / "cache"
        return write_edge_bundle(package, folder, model=model, version=chosen.version, cache=cache, assets=assets)
