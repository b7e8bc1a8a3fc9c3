"""Facts on SQLAlchemy Core, in SQLite or PostgreSQL: one store per noun, each a few short transactions.

What changes state often is an append-only history and a current row, changed in one transaction by compare-and-swap.
Nothing here interprets facts; their users record and read them.
"""

from __future__ import annotations

import gc

# SQLAlchemy makes many lasting objects when it is imported; the collector's rounds over them are a fifth of that time.
_was_collecting = gc.isenabled()
gc.disable()
try:
    import sqlalchemy as _sqlalchemy  # noqa: F401
finally:
    if _was_collecting:
        gc.enable()

from tidewheel.metadata_store.alias import AliasMove, AliasStore  # noqa: E402
from tidewheel.metadata_store.artifact import ArtifactRecordStore  # noqa: E402
from tidewheel.metadata_store.clock import ClockStore  # noqa: E402
from tidewheel.metadata_store.closure_miss import ClosureMissStore  # noqa: E402
from tidewheel.metadata_store.database import Database  # noqa: E402
from tidewheel.metadata_store.deployment import DeploymentChange, DeploymentStore  # noqa: E402
from tidewheel.metadata_store.event import EventStore  # noqa: E402
from tidewheel.metadata_store.execution import ExecutionStore  # noqa: E402
from tidewheel.metadata_store.ingest import Ingest, IngestStore  # noqa: E402
from tidewheel.metadata_store.lease import LeaseStore  # noqa: E402
from tidewheel.metadata_store.model import ModelStateChange, ModelStore  # noqa: E402
from tidewheel.metadata_store.pin import Pin, PinStore  # noqa: E402
from tidewheel.metadata_store.plan import PlanStore, StoredPlan  # noqa: E402
from tidewheel.metadata_store.projection import Projection, ProjectionStore  # noqa: E402
from tidewheel.metadata_store.run import RunStore  # noqa: E402
from tidewheel.metadata_store.runtime import RuntimeStore  # noqa: E402
from tidewheel.metadata_store.segment import Segment, SegmentStore  # noqa: E402
from tidewheel.metadata_store.signal import SignalStore  # noqa: E402
from tidewheel.metadata_store.snapshot import SnapshotStore  # noqa: E402
from tidewheel.metadata_store.source_state import SourceStore  # noqa: E402

__all__ = [
    "AliasMove",
    "AliasStore",
    "ArtifactRecordStore",
    "ClockStore",
    "ClosureMissStore",
    "Database",
    "DeploymentChange",
    "DeploymentStore",
    "EventStore",
    "ExecutionStore",
    "Ingest",
    "IngestStore",
    "LeaseStore",
    "ModelStateChange",
    "ModelStore",
    "Pin",
    "PinStore",
    "PlanStore",
    "Projection",
    "ProjectionStore",
    "RunStore",
    "RuntimeStore",
    "Segment",
    "SegmentStore",
    "SignalStore",
    "SnapshotStore",
    "SourceStore",
    "StoredPlan",
]
