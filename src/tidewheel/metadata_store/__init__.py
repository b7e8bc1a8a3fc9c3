"""Facts in SQLite or PostgreSQL, by plain SQL: one store per noun, each a few short transactions.

What changes state often is an append-only history and a current row, changed in one transaction by compare-and-swap.
Nothing here interprets facts; their users record and read them.
"""

from __future__ import annotations

from tidewheel.metadata_store.alias import AliasMove, AliasStore
from tidewheel.metadata_store.artifact import ArtifactRecordStore
from tidewheel.metadata_store.clock import ClockStore
from tidewheel.metadata_store.closure_miss import ClosureMissStore
from tidewheel.metadata_store.database import Database
from tidewheel.metadata_store.deployment import DeploymentChange, DeploymentStore
from tidewheel.metadata_store.event import EventStore
from tidewheel.metadata_store.execution import ExecutionStore
from tidewheel.metadata_store.experiment import Experiment, ExperimentStore
from tidewheel.metadata_store.ingest import Ingest, IngestStore
from tidewheel.metadata_store.lease import LeaseStore
from tidewheel.metadata_store.model import ModelStateChange, ModelStore
from tidewheel.metadata_store.pin import Pin, PinStore
from tidewheel.metadata_store.plan import PlanStore, StoredPlan
from tidewheel.metadata_store.projection import Projection, ProjectionStore
from tidewheel.metadata_store.run import RunStore
from tidewheel.metadata_store.runtime import RuntimeStore
from tidewheel.metadata_store.segment import Segment, SegmentStore
from tidewheel.metadata_store.signal import SignalStore
from tidewheel.metadata_store.snapshot import SnapshotStore
from tidewheel.metadata_store.source_state import SourceStore

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
    "Experiment",
    "ExperimentStore",
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
