"""Lets a model's monitors look at what has become known."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from tidewheel.core.records import Evidence, ModelVersion, Signal
from tidewheel.monitoring import LabelledRows, PerformanceMonitor
from tidewheel.workspace.declaration import ModelDeclaration
from tidewheel.workspace.stores import Stores


def look(stores: Stores, model: ModelDeclaration) -> Iterator[Signal]:
    """The new signals about a model's champion; a window that was looked at is not looked at again."""
    number = stores.aliases.get(model.name, "champion")
    if number is None:
        return
    version = stores.models.get(model.name, number)
    for declared in model.monitors:
        monitor = msgspec.convert(declared, PerformanceMonitor)
        now = stores.clock.now()
        start, _ = monitor.window(now)
        if stores.signals.find_by_key(monitor.key(version, start)) is not None:
            continue
        signal = monitor.look(version, _rows(stores, version, monitor), now)
        if signal is not None:
            created, is_new = stores.signals.create(signal)
            if is_new:
                yield created


def _rows(stores: Stores, version: ModelVersion, monitor: PerformanceMonitor) -> LabelledRows:
    import numpy as np

    from tidewheel.prediction_log.join import labelled

    now = stores.clock.now()
    start, end = monitor.window(now)
    found = labelled(stores.tables, version.model, start, end, as_known_at=now)
    table = found.table
    is_ours = np.asarray(table["version"].to_numpy(zero_copy_only=False)) == version.version
    for snapshot in found.snapshots:
        stores.snapshots.put(snapshot)
    return LabelledRows(
        labels=table["label"].to_numpy(zero_copy_only=False).astype(float)[is_ours],
        scores=table["score"].to_numpy(zero_copy_only=False).astype(float)[is_ours],
        days=table["at"].to_numpy(zero_copy_only=False).astype("datetime64[D]")[is_ours],
        asked=found.asked.get(version.version, 0),
        evidence=tuple(
            Evidence(kind="snapshot", ref=f"{one.table}@{one.snapshot_id}", note=f"content {one.digest[:16]}")
            for one in found.snapshots
        ),
    )
